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
import threading
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


class SshClients(threading.Thread):
    """Watches the CPU time of the ssh clients below this process; each one's last reading counts.

    ssh's own work (key exchange, ciphers) is the same for every arm that makes the same connections, and none of it
    is Ansible's: the figures are given with it and without. A reading every 0.2 s misses at most the last of them.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seconds: dict[int, float] = {}
        self.done = threading.Event()

    def run(self) -> None:
        """Read until done."""
        while not self.done.wait(0.2):
            self.look()

    def look(self) -> None:
        """Read the times of all ssh clients among the descendants."""
        tick, parents, times = os.sysconf("SC_CLK_TCK"), {}, {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                with contextlib.suppress(OSError):
                    name, rest = (entry / "stat").read_text().split(" ", 1)[1].rsplit(")", 1)
                    fields = rest.split()
                    parents[int(entry.name)] = int(fields[1])
                    if name == "(ssh":
                        times[int(entry.name)] = (int(fields[11]) + int(fields[12])) / tick
        for pid, seconds in times.items():
            ancestor = pid
            while ancestor in parents and ancestor != os.getpid():
                ancestor = parents[ancestor]
            if ancestor == os.getpid():
                self.seconds[pid] = seconds


def main(report: str, command: list[str]) -> int:
    """Run the command; write wall and CPU seconds and the most memory of one process to the file; pass its code on."""
    if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError("prctl(PR_SET_CHILD_SUBREAPER) is refused")
    clients = SshClients()
    clients.start()
    began = time.monotonic()
    pid = os.posix_spawnp(command[0], command, os.environ)
    _, status = os.waitpid(pid, 0)
    wall = time.monotonic() - began
    clients.look()
    clients.done.set()
    clients.join()
    _reap()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    measured = {"wall": wall, "user": used.ru_utime, "system": used.ru_stime, "maxrss_kib": used.ru_maxrss}
    measured["ssh"] = sum(clients.seconds.values())
    Path(report).write_text(json.dumps(measured))
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
