"""[worker] Standard streams of a worker from 2.19 on: away from the terminal, and apart for each thread.

Source: WorkerProcess._detach and _run (2.19): in a worker sys.stdout and sys.stderr are StringIO, and what a task wrote to
them becomes a warning.
"""

from __future__ import annotations

import io
import os
import sys
import threading


class ThreadText(io.TextIOBase):
    """[worker] A text stream that keeps what each thread writes, for upstream's warning about errant output.

    Source: WorkerProcess._detach and _run (2.19): sys.stdout and sys.stderr are StringIO in a worker.
    """

    def __init__(self) -> None:
        self._local = threading.local()

    def begin(self) -> None:
        """Forget what this thread has written."""
        self._local.text = io.StringIO()

    def write(self, text: str) -> int:
        """Keep the text for this thread."""
        kept = getattr(self._local, "text", None)
        if kept is None:
            kept = self._local.text = io.StringIO()
        written: int = kept.write(text)
        return written

    def writable(self) -> bool:
        """Yes."""
        return True

    def getvalue(self) -> str:
        """What this thread has written."""
        kept = getattr(self._local, "text", None)
        return kept.getvalue() if kept is not None else ""


def detach() -> None:
    """Leave the terminal: nothing that a task writes may reach it."""
    null = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(null, descriptor)
    os.close(null)
    sys.stdout, sys.stderr = ThreadText(), ThreadText()
    sys.stdin.close()


def begin() -> None:
    """A task begins on this thread: it has written nothing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, ThreadText):
            stream.begin()
