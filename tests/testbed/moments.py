"""Random moments in the life of a run, repeatable by their seed."""

from __future__ import annotations

import os
import random
import re
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from . import events, processes
from .runs import Run, Started
from .sshd import SshBed

SEED = os.environ.get("MITOPATCH_SEED") or str(random.SystemRandom().randrange(10**6))
STRIKES = int(os.environ.get("MITOPATCH_STRIKES", "20"))
GONE_WITHIN = 2.0


def dice(name: str, number: int) -> random.Random:
    """Return the random numbers of one test, and print what brings them back (pytest shows it on failure)."""
    seed = f"{name}-{number}-{SEED}"
    print(f"moment {seed}; the same again: MITOPATCH_SEED={SEED}")
    return random.Random(seed)


def wait_events(run: Started, count: int, seconds: float = 60.0) -> None:
    """Wait until the run has logged this many events; fail if it ends before, or does not get there."""
    deadline = time.monotonic() + seconds
    log = run.directory / "events"
    while not log.exists() or log.read_bytes().count(b"\n") < count:
        ended = run.process.poll() is not None
        if ended or time.monotonic() > deadline:
            out, err = run.output()
            raise AssertionError(f"{'ended' if ended else 'stuck'} before event {count}:\n{out[-2000:]}\n{err[-2000:]}")
        time.sleep(0.01)


def workers(pidfile: Path, seconds: float = 60.0) -> dict[int, int]:
    """Return index and pid of the workers started so far, the newest of each index; wait for the first."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        text = pidfile.read_text() if pidfile.exists() else ""
        found = {int(index): int(pid) for index, pid in re.findall(r"^worker (\d+) (\d+)$", text, re.M)}
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f"no worker in {pidfile}")


@dataclass
class Struck:
    """A run that got a signal, and what it left behind after the time that is allowed."""

    run: Run
    seconds: float
    """From the signal to the end of the top process."""
    left: list[str]
    files: list[str]
    late: bool
    """The signal found the run at its end: its summary was already out."""


def _at_its_end(run: Started) -> bool:
    return "PLAY RECAP" in run.output()[0] or events.stats(events.read(run.directory / "events")) is not None


def strike(run: Started, bed: SshBed, signum: signal.Signals) -> Struck:
    """Send the signal to the top process, wait for its end, and list what is there two seconds later at most."""
    top = psutil.Process(run.process.pid)
    seen = {process.pid: process for process in [*run.processes(), *bed.remote_processes()]}
    # Here and not earlier: the look at the processes takes its time.
    late = _at_its_end(run)
    began = time.monotonic()
    os.kill(run.process.pid, signum)  # not Popen's, which waits for a process that has ended, and takes its usage with it
    # Watched until the end: a process that starts late must go as well as one that was there from the start.
    while processes.alive(top) and time.monotonic() - began < 60:
        seen.update((process.pid, process) for process in [*run.processes(), *bed.remote_processes()])
        time.sleep(0.05)
    seconds = time.monotonic() - began
    seen.update((process.pid, process) for process in [*run.processes(), *bed.remote_processes()])
    seen.pop(top.pid, None)
    left = processes.describe(processes.wait_gone(seen.values(), GONE_WITHIN)).splitlines()
    files = sorted(
        str(path.relative_to(run.directory))
        for name in ("local_tmp", "cp", "tmp", "remote_tmp")
        for path in (run.directory / name).rglob("*")
    )
    ended = run.finish()
    # It may also have come to it between that look and the signal; a run that heeds no signal ends with 0.
    return Struck(ended, seconds, left, files, late or (ended.rc != 0 and _at_its_end(run)))
