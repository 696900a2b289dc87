from __future__ import annotations

from ansible.utils.display import Display

display = Display()


def warns(word):
    display.warning("the filter warns")
    display.v("the filter says v")
    return word


class FilterModule:
    def filters(self):
        return {"warns": warns}
