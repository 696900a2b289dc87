"""Processes of a run: found by a marker in their environment or by descent, ended by pid."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable

import psutil

MARKER = "MITOPATCH_TEST_RUN"


def marked(value: str, directory: str) -> list[psutil.Process]:
    """Return the processes (ours, not zombies) that carry this run's marker, or name its directory.

    The second is for ssh masters: they write their title over their environment, and it names the control socket.
    """
    wanted = f"{MARKER}={value}".encode()
    below = os.fsencode(directory) + b"/"
    found = []
    for pid in psutil.pids():
        if pid == os.getpid():
            continue
        with contextlib.suppress(OSError, psutil.Error):
            with open(f"/proc/{pid}/environ", "rb") as stream:
                ours = wanted in stream.read().split(b"\0")
            with open(f"/proc/{pid}/cmdline", "rb") as stream:
                ours = ours or below in stream.read()
            if ours:
                process = psutil.Process(pid)
                if process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
    return found


def descendants(pids: Iterable[int]) -> list[psutil.Process]:
    """Return all living descendants of these processes, zombies left out."""
    found: dict[int, psutil.Process] = {}
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    if child.status() != psutil.STATUS_ZOMBIE:
                        found[child.pid] = child
    return list(found.values())


def describe(processes: Iterable[psutil.Process]) -> str:
    """Return one line per process: pid, parent, command."""
    lines = []
    for process in processes:
        try:
            command = " ".join(process.cmdline()) or process.name()
            lines.append(f"pid {process.pid} (parent {process.ppid()}): {command[:160]}")
        except psutil.Error:
            continue
    return "\n".join(lines)


def end(processes: Iterable[psutil.Process]) -> None:
    """Kill these processes and wait until they are gone; psutil guards against pids used again."""
    doomed = list(processes)
    for process in doomed:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(doomed, timeout=5)


def end_group(leader: int) -> None:
    """Kill the process group of a process that was started as a session leader."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def alive(process: psutil.Process) -> bool:
    """Say whether the process still runs (a zombie does not; a pid used again is another process)."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def wait_gone(processes: Iterable[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Wait until the processes are gone, at most so long; return those that are still there."""
    deadline = time.monotonic() + seconds
    left = [process for process in processes if alive(process)]
    while left and time.monotonic() < deadline:
        time.sleep(0.02)
        left = [process for process in left if alive(process)]
    return left
