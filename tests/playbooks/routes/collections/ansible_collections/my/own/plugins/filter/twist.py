from __future__ import annotations


class FilterModule:
    def filters(self):
        return {"twist": lambda word: word[::-1]}
