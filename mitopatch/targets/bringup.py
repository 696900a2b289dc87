"""[worker] What a worker need not do anew for each new connection: with a hundred hosts a third of its work on the first task.

Mitogen reads the program with which a connection begins out of its own source, by tokens, for each interpreter it starts; and it forks
the worker, with all its memory, for each ssh, because it would run a hook in the child. Without a hook Python starts it by vfork.
"""

from __future__ import annotations

import functools
import inspect
import subprocess  # nosec B404 - starts what Mitogen starts
from typing import Any

import mitogen.parent

_popen = mitogen.parent.popen


class _Sources:
    """Stands for the module ``inspect`` in mitogen.parent, which asks for one function's source."""

    getsource = staticmethod(functools.lru_cache(maxsize=8)(inspect.getsource))
    getsourcelines = staticmethod(functools.lru_cache(maxsize=8)(inspect.getsourcelines))

    def __getattr__(self, name: str) -> Any:
        return getattr(inspect, name)


def popen(**kwargs: Any) -> Any:
    """Stands for mitogen.parent.popen: without the function in the child where it would do nothing."""
    if mitogen.parent._preexec_hook or kwargs.get("preexec_fn"):
        return _popen(**kwargs)
    return subprocess.Popen(**kwargs)


def install() -> None:
    """Put both in place; this process is a worker for the rest of its life."""
    mitogen.parent.inspect = _Sources()
    mitogen.parent.popen = popen
