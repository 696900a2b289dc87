"""[worker] The main loop of a worker process.

The main thread reads messages in order: it applies what changed, computes the variables of each job (so a job sees
the state of the moment it was sent, as a fork of the controller would) and gives the job to a thread. It ends when told
to leave, or at end-of-file without that: then the controller is dead, and what it can no longer clean up is ours to.

Nothing that the worker inherited may run at its end (exit handlers, buffered output, other threads' locks), so it
leaves through ``os._exit``, and a timer does so after LEAVE_SECONDS if closing the connections takes longer. Where it leaves
in the midst of tasks, so do the processes that these have started (`offspring`): before ``os._exit``, whichever way it comes to that.
"""

from __future__ import annotations

import gc
import logging
import os
import pickle  # nosec B403 # see objects
import signal
import socket
import sys
import threading
from typing import Any, Optional

from mitopatch.runtime import frames, objects, offspring
from mitopatch.runtime.crew import Crew
from mitopatch.runtime.objects import Registry
from mitopatch.runtime.seam import ControllerSeam, HandBack, Job, WorkerSeam
from mitopatch.runtime.states import LEAVE_SECONDS

LOG = logging.getLogger(__name__)

#: Why a job is handed back whose variables could not be computed.
VARIABLES = "its variables"

#: More threads than any sane `forks`.
MAX_THREADS = 5000


class JobChannel(frames.Channel):
    """[worker] The worker's end of the socket pair: the crew knows of each job's end before the controller does."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.crew = Crew(MAX_THREADS)

    def send(self, kind: int, number: int = 0, payload: bytes = b"") -> None:
        """See the base class."""
        if kind in frames.ENDS:
            self.crew.settled(number)
        super().send(kind, number, payload)


def main(sock: socket.socket, index: int, seam: ControllerSeam, registry: Registry) -> None:
    """[worker] Serve jobs until the controller is gone; does not return."""
    status = 1
    try:
        _own_session()
        # What the controller had is here for good: the collector need not look through it again and again.
        gc.freeze()
        channel = JobChannel(sock)
        registry.activate()
        worker = _enter(channel, seam, registry)
        if worker is not None:
            serve(channel, worker)
            status = 0
    except BaseException:
        LOG.exception("worker %d", index)
    finally:
        os._exit(status)


def _enter(channel: frames.Channel, seam: ControllerSeam, registry: Registry) -> Optional[WorkerSeam]:
    try:
        worker = seam.enter_worker(channel, registry)
    except BaseException as exc:
        # The controller says so in one sentence, and forks what was meant for this worker.
        _send(channel, frames.FAILED, 0, f"{type(exc).__name__}: {exc}".encode("utf-8", "replace"))
        return None
    _send(channel, frames.READY, 0)
    return worker


def _own_session() -> None:
    # Its own session: Ctrl-C in the terminal goes to the controller, which decides (as upstream's workers do from 2.19).
    os.setsid()
    # What a worker ignores, the commands of modules ignore too: only what the controller was started with. A handler ends with exec.
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for number in (signal.SIGHUP, signal.SIGQUIT):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    if os.path.exists(os.devnull):
        with open(os.devnull, "rb") as null:
            os.dup2(null.fileno(), 0)
    sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 - lives as long as the process


def serve(channel: JobChannel, seam: WorkerSeam) -> None:
    """[worker] Read messages and run jobs; returns at end-of-file, after LEAVE_SECONDS at most."""
    orphaned = True
    last = Last(channel.crew)
    signal.signal(signal.SIGTERM, last.terminated)
    while True:
        frame = channel.receive()
        if frame is None:
            break
        kind, number, payload = frame
        if kind == frames.LEAVE:
            orphaned = False
            break
        if kind == frames.JOB:
            _take(channel, seam, pickle.loads(payload))  # noqa: S301 # nosec B301 # from our controller
        elif kind == frames.HOST_OPERATION:
            host, data = pickle.loads(payload)  # noqa: S301 # nosec B301 # likewise
            seam.note(host, data)
        elif kind == frames.OPERATION:
            seam.apply(objects.load(payload))
        elif kind == frames.OBJECTS:
            objects.load(payload)
        elif kind == frames.UPDATE:
            known, changed = objects.load(payload)
            objects.update(known, changed)
        elif kind == frames.STATE:
            seam.set_state(objects.load(payload))
        elif kind == frames.REPLY:
            seam.reply(number, pickle.loads(payload))  # noqa: S301 # nosec B301 # likewise
        elif kind == frames.CALL:
            method, arguments = pickle.loads(payload)  # noqa: S301 # nosec B301 # likewise
            seam.call(method, arguments)
    last.look()
    timer = threading.Timer(LEAVE_SECONDS, last.leave)
    timer.daemon = True
    timer.start()
    seam.close(orphaned)
    last.leave()


class Last:
    """[worker] What is to be done at the very end."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        #: The processes of running tasks, by the time of `look`; those below interpreters that have ended since are not found any more.
        self._seen: dict[int, str] = {}

    def look(self) -> None:
        """Note what the tasks that still run have started."""
        if self._crew.busy():
            self._seen.update(offspring.below(os.getpid()))

    def _end_offspring(self) -> None:
        self.look()  # a task that lost its process may have started another one
        if self._seen:
            offspring.end(self._seen)

    def leave(self) -> None:
        """End this process."""
        try:
            self._end_offspring()
        finally:
            os._exit(0)

    def terminated(self, number: int, _frame: Any) -> None:
        """Handler of a signal that ends this process."""
        signal.signal(number, signal.SIG_DFL)
        try:
            self._end_offspring()
        finally:
            os.kill(os.getpid(), number)


def _take(channel: JobChannel, seam: WorkerSeam, job: Job) -> None:
    try:
        prepared = seam.prepare(job)
    except Exception as exc:
        # Upstream computes the variables in the controller and lets an error end the play there: let it do so.
        LOG.debug("job %d handed back", job.number, exc_info=True)
        _hand_back(channel, job.number, f"{VARIABLES}: {type(exc).__name__}: {exc}")
        return
    channel.crew.submit(job.number, _run, channel, seam, job.number, prepared)


def _run(channel: frames.Channel, seam: WorkerSeam, number: int, prepared: Any) -> None:
    try:
        sent = seam.run(prepared)
    except HandBack as back:
        _hand_back(channel, number, back.reason)
        return
    except BaseException:
        LOG.exception("job %d", number)
        sent = False
    if not sent:
        _send(channel, frames.CRASHED, number)


def _hand_back(channel: frames.Channel, number: int, reason: str) -> None:
    _send(channel, frames.HANDBACK, number, reason.encode("utf-8", "replace"))


def _send(channel: frames.Channel, kind: int, number: int, payload: bytes = b"") -> None:
    try:
        channel.send(kind, number, payload)
    except OSError:
        LOG.debug("the controller is gone")  # the main thread sees end-of-file
