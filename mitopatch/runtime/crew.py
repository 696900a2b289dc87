"""[worker] The threads that run jobs.

A thread more is started only if all of them have a job whose end was not told yet. Python's own pool takes a thread for busy until it
waits again; the controller's next job is there before that, and the pool would grow to hundreds of threads for twenty forks.
"""

from __future__ import annotations

import itertools
import queue
import threading
from typing import Any, Callable


class Crew:
    """[worker] ``submit`` and ``settled`` may be called on any thread."""

    def __init__(self, most: int) -> None:
        """``most``: number of threads that are enough."""
        self._most = most
        self._jobs: queue.SimpleQueue[tuple[Callable[..., None], tuple[Any, ...]]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        #: Numbers of the jobs whose end was not told.
        self._open: set[int] = set()
        self._names = itertools.count()
        self._threads = 0

    def submit(self, number: int, function: Callable[..., None], *arguments: Any) -> None:
        """Run a job on a thread that waits, or is about to, or on a new one. ``function`` must not raise."""
        with self._lock:
            self._open.add(number)
            start = self._threads < min(len(self._open), self._most)
            self._threads += start
        self._jobs.put((function, arguments))
        if start:
            # A daemon: what it runs is nobody's to wait for when the worker leaves.
            threading.Thread(target=self._work, name=f"task_{next(self._names)}", daemon=True).start()

    def settled(self, number: int) -> None:
        """The end of this job is about to be told: its thread will soon be free, and the next job need not have another one."""
        with self._lock:
            self._open.discard(number)

    def busy(self) -> bool:
        """Whether there are jobs whose end was not told."""
        return bool(self._open)

    def __len__(self) -> int:
        """Number of threads."""
        return self._threads

    def _work(self) -> None:
        while True:
            function, arguments = self._jobs.get()
            function(*arguments)
            del function, arguments
