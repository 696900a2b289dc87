"""[worker] The variables of a task are wrapped for templating once, not for each of its templates (2.19 to 2.21).

Upstream makes an object for each variable whenever a template begins, though a template reads few of them: of a task with 600
variables, a ``when`` and two templates a third of what it costs. An object that only holds a value may be in many such dictionaries.
"""

from __future__ import annotations

import threading
from operator import is_
from typing import Any, NamedTuple

#: Dictionaries with less are wrapped anew, which takes no longer than to see whether they have changed.
FEW = 10
#: Dictionaries that are kept for a task: the variables, as the task and its connection have them, and large ones among them.
MOST = 4


class _Kept(threading.local):
    def __init__(self) -> None:
        self.of: dict[int, Wrapped] = {}


_kept = _Kept()


class Wrapped(NamedTuple):
    """A dictionary (held here, so that its id stays its own), its names and values as they were, and these wrapped."""

    source: Any
    names: list[Any]
    values: list[Any]
    wrapped: dict[Any, Any]

    def fits(self, source: Any) -> bool:
        """Whether the dictionary has these names and the very same values; equal ones may have other tags."""
        return len(source) == len(self.names) and all(map(is_, source.values(), self.values)) and list(source) == self.names


def install() -> None:
    """Put it in place; this process is a worker for the rest of its life."""
    from ansible._internal._templating import _lazy_containers as containers

    kind, source, wrap = containers._AnsibleLazyTemplateDict, containers._LazyValueSource, containers._LazyValue
    upstream = kind._lazy_values

    def lazy_values(values: dict[Any, Any], lazy_options: Any) -> Any:
        if len(values) < FEW:
            return upstream(values, lazy_options)
        kept = _kept.of.get(id(values))
        if kept is None or not kept.fits(values):
            if kept is None and len(_kept.of) >= MOST:
                del _kept.of[next(iter(_kept.of))]
            names, held = list(values), list(values.values())
            kept = _kept.of[id(values)] = Wrapped(values, names, held, dict(zip(names, map(wrap, held))))
        empty = upstream({}, lazy_options)  # says whose template it is
        return source(source=kept.wrapped, templar=empty.templar, lazy_options=empty.lazy_options)

    kind._lazy_values = staticmethod(lazy_values)


def forget() -> None:
    """Of the task on this thread nothing is kept."""
    _kept.of.clear()
