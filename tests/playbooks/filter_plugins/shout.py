"""A filter beside the playbook."""

from __future__ import annotations


def shout(text):
    return f"{text.upper()}!"


class FilterModule:
    def filters(self):
        return {"shout": shout}
