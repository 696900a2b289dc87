"""[worker] The words of a command line are told apart once: those of ssh's arguments and of the interpreter, four a host-task."""

from __future__ import annotations

import functools
from typing import Any

from ansible.utils import shlex

#: Command lines that are remembered.
MOST = 1000


def install() -> None:
    """Put it in place; this process is a worker for the rest of its life."""
    upstream = shlex.shlex_split

    @functools.lru_cache(maxsize=MOST)
    def words(text: str) -> tuple[str, ...]:
        return tuple(upstream(text))

    def shlex_split(s: Any, *args: Any, **kwargs: Any) -> list[str]:
        """Stands for ansible.utils.shlex.shlex_split, for those who find it in its module."""
        if args or kwargs or not isinstance(s, str):
            return list(upstream(s, *args, **kwargs))
        return list(words(s))

    shlex.shlex_split = shlex_split
