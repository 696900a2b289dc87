"""[worker] The processes that running tasks have started, on this machine: who interrupts a run does not want them to go on.

In plain Ansible they are in the session of a fork, which takes them along when it is told to end (from 2.19), or in the foreground of the
terminal (before). A worker leaves by itself, and they would stay: a lookup's pipe, the command of a local connection. Not among them are
daemons, which have another parent by then, and Mitogen's interpreters, which end at end-of-file and tidy up.
"""

from __future__ import annotations

import os
import signal
import subprocess  # nosec B404 # ps, where there is no /proc
from collections.abc import Mapping

PROC = "/proc"
#: In the command of Mitogen's interpreters.
INTERPRETER = "(mitogen:"


def _table() -> dict[int, tuple[int, str]]:
    """Of each process its parent, and when it was started."""
    found = {}
    if os.path.isdir(f"{PROC}/self"):
        for name in filter(str.isdigit, os.listdir(PROC)):
            # After the command, which may contain anything: state, parent, and nineteenth the time.
            fields = _read(f"{PROC}/{name}/stat").rpartition(")")[2].split()
            if len(fields) > 19:
                found[int(name)] = int(fields[1]), fields[19]
        return found
    for line in _ps("-A", "-o", "pid=", "-o", "ppid=", "-o", "lstart=").splitlines():
        pid, parent, born = line.split(None, 2)
        found[int(pid)] = int(parent), born
    return found


def _command(pid: int) -> str:
    return _read(f"{PROC}/{pid}/cmdline") if os.path.isdir(f"{PROC}/self") else _ps("-o", "args=", "-p", str(pid))


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as opened:
            return opened.read()
    except OSError:  # it has ended
        return ""


def _ps(*arguments: str) -> str:
    try:
        # The arguments are our own words and numbers of processes; where ps is found is the user's PATH, as for all that a run starts.
        command = ["ps", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603 # nosec B603
    except OSError:
        return ""
    return done.stdout


def below(pid: int) -> dict[int, str]:
    """Processes below this one, and when they were started, but for interpreters of Mitogen's and those who brought them up (sudo)."""
    table = _table()
    generation: set[int] = {pid}
    found: dict[int, str] = {}
    while generation:
        generation = {child for child, (parent, _) in table.items() if parent in generation and child not in found}
        found.update((child, table[child][1]) for child in generation)
    for child in list(found):
        above = child
        if INTERPRETER in _command(child):
            while found.pop(above, None) is not None:
                above = table[above][0]
    return found


def end(processes: Mapping[int, str]) -> None:
    """End these processes, unless they have ended and their numbers are others' by now."""
    table = _table()
    for pid, born in processes.items():
        if pid in table and table[pid][1] == born:
            try:
                os.kill(pid, signal.SIGTERM)
            except OSError:
                continue
