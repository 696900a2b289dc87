"""[controller] The switches of the engine, read from the environment at the time of use."""

from __future__ import annotations

import os
from typing import Optional

from mitopatch.settings import read

#: Actions that always take upstream's own forked worker: they talk to the terminal of the user.
FORK_ACTIONS = frozenset({"pause", "ansible.builtin.pause", "ansible.legacy.pause"})


def workers() -> int:
    """Number of persistent workers: MITOPATCH_WORKERS, else one per CPU core this process may use (at least 1)."""
    wanted = read("MITOPATCH_WORKERS")
    if wanted.isdecimal() and int(wanted) > 0:
        return int(wanted)
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return max(1, os.cpu_count() or 1)


def fork_actions() -> frozenset[str]:
    """Names of actions for the fork route: the built-in list and the comma-separated MITOPATCH_FORK_ACTIONS."""
    extra = read("MITOPATCH_FORK_ACTIONS")
    return FORK_ACTIONS | {name.strip() for name in extra.split(",") if name.strip()}


def pid_file() -> Optional[str]:
    """Path of MITOPATCH_PIDFILE, to which each started worker appends a line ``worker INDEX PID``; None if unset."""
    return read("MITOPATCH_PIDFILE") or None
