"""Runs one command and measures the CPU of everything below it, also of processes that have left it.

Start it as a program: it makes itself the subreaper, so that daemons (the masters of ssh's ControlPersist) become its
children when their parents end; it ends them after the command and waits for every one. What they have used is
then in its own account of waited-for children. Servers must not be below it; sshd is started elsewhere.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
import time
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36


def _children() -> list[int]:
    me = os.getpid()
    found: list[int] = []
    for task in Path(f"/proc/{me}/task").iterdir():
        with contextlib.suppress(OSError):
            found += [int(pid) for pid in (task / "children").read_text().split()]
    return found


def _reap() -> None:
    """End and wait for all children until there is none; ask first, then insist."""
    deadline = time.monotonic() + 10
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            for child in _children():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGTERM if time.monotonic() < deadline - 5 else signal.SIGKILL)
            if time.monotonic() > deadline:
                return
            time.sleep(0.01)


def main(report: str, command: list[str]) -> int:
    """Run the command; write wall and CPU seconds and the most memory of one process to the file; pass its code on."""
    if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError("prctl(PR_SET_CHILD_SUBREAPER) is refused")
    began = time.monotonic()
    pid = os.posix_spawnp(command[0], command, os.environ)
    _, status = os.waitpid(pid, 0)
    wall = time.monotonic() - began
    _reap()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    measured = {"wall": wall, "user": used.ru_utime, "system": used.ru_stime, "maxrss_kib": used.ru_maxrss}
    Path(report).write_text(json.dumps(measured))
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
