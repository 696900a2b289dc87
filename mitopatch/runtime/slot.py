"""[controller] What sits in a worker slot of upstream's strategy in place of one WorkerProcess per host-task.

Upstream constructs it, calls ``start``, asks ``is_alive`` until the slot is free, reads ``exitcode`` (anything but
0 or None ends the run), ``pid`` (to pass signals on, from 2.19.4), calls ``terminate`` and, from 2.19, ``close``; answers
to prompts go to ``worker_queue`` (from 2.15). The free strategy counts by ``_task`` how many hosts run a task with ``throttle``.
"""

from __future__ import annotations

import sys
import time
from typing import Any, Callable, Optional

from mitopatch.runtime import interrupts


def write_out() -> None:
    """[controller] Write out what was printed so far, as upstream's fork does here (multiprocessing.util._flush_std_streams).

    Up to 2.18 upstream's display does not, so a reader behind a pipe would see a task's lines tasks later, and what a plugin
    prints in a worker would stand before them. An error of the pipe is raised where upstream's fork would raise it.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, ValueError):  # closed, or none
            continue


#: Seconds that forks have to end by themselves before they are made to, all that are ended together.
PATIENCE = 0.2

#: Starts the task somewhere: returns nothing, calls the slot back.
Start = Callable[["Slot"], None]


class ReplyQueue:
    """[controller] The writing end of a job's prompt answers (``WorkerProcess.worker_queue``)."""

    def __init__(self, put: Callable[[Any], None]) -> None:
        self.put = put


class Slot:
    """[controller] One host-task: a job of a persistent worker, or upstream's own forked worker."""

    _patient_until = 0.0

    def __init__(self, start: Start, worker_id: int, task: Any = None) -> None:
        self._start = start
        self._task = task
        self._busy = False
        self._crashed = False
        self._fork: Any = None
        self.worker_id = worker_id
        self.worker_queue: Any = None

    def start(self) -> None:
        """Dispatch the task (upstream: ``WorkerProcess.start``)."""
        write_out()
        self._busy = True
        self._start(self)

    def is_alive(self) -> bool:
        """Whether the slot is taken."""
        if self._fork is not None:
            return bool(self._fork.is_alive())
        return self._busy

    @property
    def forked(self) -> bool:
        """Whether upstream's own worker runs here."""
        return self._fork is not None

    @property
    def exitcode(self) -> Optional[int]:
        """Exit status as of a process: 1 if the task ended without a result, as upstream's worker would have."""
        if self._fork is not None:
            code: Optional[int] = self._fork.exitcode
            return code
        return 1 if self._crashed else None if self._busy else 0

    @property
    def pid(self) -> Optional[int]:
        """Process to signal: only a forked worker; a persistent worker is told by its pool."""
        return self._fork.pid if self._fork is not None else None

    def take_fork(self, process: Any) -> None:
        """Hold upstream's worker, already constructed, and start it."""
        self._fork = process
        queue = getattr(process, "worker_queue", None)
        if queue is not None:
            self.worker_queue = queue
        with interrupts.held():
            process.start()

    def done(self) -> None:
        """The result has arrived."""
        self._busy = False

    def crashed(self) -> None:
        """The task ended without a result."""
        self._crashed = True
        self._busy = False

    def terminate(self) -> None:
        """End a forked worker that still runs at the end of a play; a persistent worker is stopped by its pool.

        Upstream calls this at once when the last result has come (WORKER_SHUTDOWN_POLL_COUNT is 0), and we hear of a result sooner than
        upstream's polling does: the fork may still hold the lock of the queue that it has put its result on, and killed there it leaves
        the lock locked; up to 2.19.3 it sends its result again, which ends the thread of the next play that reads results.
        """
        if self._fork is None:
            return
        now = time.monotonic()
        if now > Slot._patient_until + PATIENCE:
            Slot._patient_until = now + PATIENCE
        self._fork.join(max(0.0, Slot._patient_until - now))
        if self._fork.is_alive():
            self._fork.terminate()

    def join(self, timeout: Optional[float] = None) -> None:
        """Wait for a forked worker."""
        if self._fork is not None:
            self._fork.join(timeout)

    def close(self) -> None:
        """Let go of a forked worker's resources (upstream, from 2.19, before it reuses the slot)."""
        if self._fork is not None:
            self._fork.close()
            self._fork = None
            self._busy = False
