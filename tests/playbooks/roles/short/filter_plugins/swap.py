"""A filter of the role."""

from __future__ import annotations


class FilterModule:
    def filters(self):
        return {"swap": lambda text: text.swapcase()}
