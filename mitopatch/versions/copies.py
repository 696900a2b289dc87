"""[worker] What each thread gets a copy of: upstream writes into a task and a host as if they were its process's own."""

from __future__ import annotations

from typing import Any


def own_task(task: Any) -> Any:
    """A copy of a squashed task for one host: upstream writes into it, and into its loop control and containers (2.14 to 2.21)."""
    mine = _own(task)
    _own_loop_control(mine.__dict__, "_loop_control")
    return mine


def own_task_with_attributes(task: Any) -> Any:
    """As `own_task` where a task keeps its attributes in a dictionary, ``_attributes`` (2.11 to 2.13)."""
    mine = _own(task)
    mine._attributes = {key: _plain_copy(value) for key, value in mine._attributes.items()}
    _own_loop_control(mine._attributes, "loop_control")
    return mine


def own_host(host: Any) -> Any:
    """A shallow copy of a host: upstream's worker empties its variables and groups before it sends the result."""
    mine = object.__new__(type(host))
    mine.__dict__.update(host.__dict__)
    return mine


def _own(thing: Any) -> Any:
    mine = object.__new__(type(thing))
    for key, value in thing.__dict__.items():
        mine.__dict__[key] = _plain_copy(value)
    return mine


def _plain_copy(value: Any) -> Any:
    # Only plain containers, as upstream's own Base.copy: what is in them is replaced by templating, not written into.
    return value.copy() if type(value) in (dict, list) else value


def _own_loop_control(attributes: dict[str, Any], name: str) -> None:
    loop_control: Any = attributes.get(name)
    if hasattr(loop_control, "copy"):
        attributes[name] = loop_control.copy()
