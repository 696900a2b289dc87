"""[worker] A target's Python is found while connecting to it, asked for once, and kept.

ansible_mitogen needs a Python on the target to run upstream's question which Python to use. It connects with one candidate after the
other until one starts (a login each), has the question asked once for every candidate, and connects anew with the answer. Here a
shell on the target starts the first candidate that is there; if the answer is that one, the connection stays.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import Any, Optional

import mitopatch.targets.release  # noqa: F401 - before ansible_mitogen

from mitopatch.targets import onboard

#: The target's shell runs it with the arguments of a Python.
_SCRIPT = 'for p in {}; do p=$(command -v "$p") && exec "$p" "$@"; done; exit 127'


class Finder(str):
    """[worker] The command that finds and starts a target's Python; stands for all candidates."""


class Found:
    """[worker] What was connected by a `Finder`, and which Python that was: by everything else that makes the connection."""

    def __init__(self, first: Optional[str] = None) -> None:
        """``first``: the Python that upstream's answer prefers to all candidates."""
        self._first = [] if first is None else [first]
        self._known: dict[tuple[Any, ...], tuple[str, list[str]]] = {}

    def candidates(self, names: Iterable[str]) -> list[str]:
        """One candidate in place of these."""
        names = list(names)
        if isinstance(names[0], Finder):
            return names
        script = _SCRIPT.format(" ".join(shlex.quote(str(name)) for name in dict.fromkeys([*self._first, *names])))
        return [Finder(shlex.join(["/bin/sh", "-c", script, "sh"]))]

    def kept(self, stack: Any) -> Any:
        """The same connection (ansible_mitogen's description of it), by the commands with which parts of it were made."""
        if not self._known:
            return stack
        parts = list(stack)
        for depth, part in enumerate(parts):
            path = part["kwargs"].get("python_path")
            known = self._known.get(_identity(stack[: depth + 1]))
            if known is not None and path == [known[0]]:
                parts[depth] = {**part, "kwargs": {**part["kwargs"], "python_path": known[1]}}
        return stack if all(new is old for new, old in zip(parts, stack)) else parts

    def connected(self, stack: Any, result: dict[str, Any]) -> None:
        """Remember what was found on connecting; ``result`` is what the target told of itself."""
        command = stack[-1]["kwargs"].get("python_path")
        if isinstance(command, list) and command[:2] == ["/bin/sh", "-c"]:
            self._known[_identity(stack)] = (result[onboard.EXECUTABLE], command)

    def still(self, stack: Any, result: dict[str, Any]) -> bool:
        """Whether the target, connected by another command, runs the Python that this description asks for."""
        if [result[onboard.EXECUTABLE]] == stack[-1]["kwargs"].get("python_path"):
            return True
        self._known.pop(_identity(stack), None)
        return False


def _identity(stack: Any) -> tuple[Any, ...]:
    return tuple((part["method"], repr(sorted(item for item in part["kwargs"].items() if item[0] != "python_path"))) for part in stack)
