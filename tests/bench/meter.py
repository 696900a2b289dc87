"""Runs one command and measures CPU and memory of everything below it, also of processes that have left it.

meter.py REPORT SHARE COMMAND...; SHARE is that of one core which reading the memory may take.

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


class Watcher(threading.Thread):
    """Watches the tree below this process: the CPU time of its ssh clients, its memory, the number of its processes.

    ssh's own work (key exchange, ciphers) is the same for every arm that makes the same connections, and none of it
    is Ansible's: the figures are given with it and without. A reading every 0.2 s misses at most the last of them.

    Memory is PSS: pages that several processes share count once. Reading it walks page tables, in this process, which is
    not in the account of the tree; but it takes turns with the tree on the cores, so it rests as long after
    each reading as its share of a core demands. The peak is that of the moments that were looked at.
    """

    def __init__(self, share: float) -> None:
        super().__init__(daemon=True)
        self.share = share
        self.seconds: dict[int, float] = {}
        self.pss_kib = self.processes = self.readings = 0
        self._rest_until = 0.0
        self.done = threading.Event()

    def run(self) -> None:
        """Read until done."""
        while not self.done.wait(0.2 if self.share < 0.1 else 0.05):
            self.look()

    def look(self) -> None:
        """Read the times of all ssh clients among the descendants and, if it is time, the memory of all of them."""
        tick, parents, times = os.sysconf("SC_CLK_TCK"), {}, {}
        for entry in os.listdir("/proc"):
            if entry.isdecimal():
                with contextlib.suppress(OSError):
                    name, rest = _text(f"/proc/{entry}/stat").split(" ", 1)[1].rsplit(")", 1)
                    fields = rest.split()
                    parents[int(entry)] = int(fields[1])
                    if name == "(ssh":
                        times[int(entry)] = _nanoseconds(entry) / 1e9 or (int(fields[11]) + int(fields[12])) / tick
        tree = descendants(os.getpid(), parents)
        for pid in tree & times.keys():
            self.seconds[pid] = times[pid]
        self.processes = max(self.processes, len(tree))
        began = time.monotonic()
        if began >= self._rest_until:
            self.pss_kib = max(self.pss_kib, sum(map(pss_kib, tree)))
            self.readings += 1
            took = time.monotonic() - began
            self._rest_until = began + took / self.share


def _text(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as stream:
        return stream.read()


def _nanoseconds(pid: str) -> int:
    """Return the time on a core of a process with one thread; 0 if the kernel does not say.

    The times in ``stat`` are whole ticks, rounded down: of a hundred ssh clients a second would be missing.
    """
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(_text(f"/proc/{pid}/schedstat").split()[0])
    return 0


def descendants(top: int, parents: dict[int, int]) -> set[int]:
    """Return the processes below `top`, itself left out."""
    children: dict[int, list[int]] = {}
    for pid, parent in parents.items():
        children.setdefault(parent, []).append(pid)
    found: set[int] = set()
    ahead = [top]
    while ahead:
        below = [pid for pid in children.get(ahead.pop(), ()) if pid not in found]
        found.update(below)
        ahead += below
    return found


def pss_kib(pid: int) -> int:
    """Return the proportional share of memory of one process; 0 if it is gone, a zombie, or not ours to look at."""
    with contextlib.suppress(OSError):
        for line in _text(f"/proc/{pid}/smaps_rollup").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def main(report: str, share: float, command: list[str]) -> int:
    """Run the command; write wall and CPU seconds and the most memory to the file; pass its code on."""
    if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError("prctl(PR_SET_CHILD_SUBREAPER) is refused")
    watcher = Watcher(share)
    watcher.start()
    began = time.monotonic()
    pid = os.posix_spawnp(command[0], command, os.environ)
    _, status = os.waitpid(pid, 0)
    wall = time.monotonic() - began
    watcher.done.set()
    watcher.join()
    watcher.look()
    _reap()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    measured = {"wall": wall, "user": used.ru_utime, "system": used.ru_stime, "maxrss_kib": used.ru_maxrss}
    measured.update(
        ssh=sum(watcher.seconds.values()), pss=watcher.pss_kib / 1024, pss_readings=watcher.readings, processes=watcher.processes
    )
    Path(report).write_text(json.dumps(measured))
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], float(sys.argv[2]), sys.argv[3:]))
