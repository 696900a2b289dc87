"""[controller] The persistent workers: start them late, give each host an owner, send jobs, take results, survive deaths.

Guarantees:
- a message that a worker got is applied in the order in which the controller made it, before any job sent later;
- every job that was sent ends exactly once: with a result, handed back, or lost with its worker;
- ``stop`` leaves no process behind and takes at most STOP_SECONDS + TERM_SECONDS and a moment;
- all methods but the reading threads' own are called from the controller's main thread, which is also the one that forks.

The reading thread of a worker and the main thread share ``_jobs`` (dictionary operations, atomic under the GIL) and
the ``Wake``. A worker that dies: its reading thread sees end-of-file, waits for the process, reports the jobs it
still had as lost, and wakes the main thread; the main thread starts another worker at the next dispatch. A result
and the end of its job are one message, so a worker cannot die between the two.
"""

from __future__ import annotations

import logging
import os
import pickle  # nosec B403 # see objects
import signal
import threading
import time
import weakref
from typing import Any, Callable, Optional

from mitopatch.errors import Reason
from mitopatch.runtime import child, frames, interrupts, settings
from mitopatch.runtime.objects import Registry
from mitopatch.runtime.seam import ControllerSeam, Job
from mitopatch.runtime.states import MAX_REPLACEMENTS, STOP_SECONDS, TERM_SECONDS, Stage, State
from mitopatch.runtime.wake import Wake

LOG = logging.getLogger(__name__)


class Flight:
    """[controller] A job on its way: whom to tell how it ended."""

    __slots__ = ("compare", "crashed", "done", "handed_back", "host", "task")

    def __init__(
        self, host: str, task: Any, done: Callable[[], None], handed_back: Callable[[str], None], crashed: Callable[[], None]
    ) -> None:
        self.host = host
        self.task = task
        self.done = done
        self.handed_back = handed_back
        self.crashed = crashed
        #: Under MITOPATCH_CHECK: what is called with the worker's digests of what it sees.
        self.compare: Optional[Callable[[bytes], None]] = None


class Worker:
    """[controller] Handle of one worker process."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.stage = Stage()
        self.process: Any = None
        self.channel: Optional[frames.Channel] = None
        self.reader: Optional[threading.Thread] = None
        self.hosts: set[str] = set()
        self.flights: dict[int, Flight] = {}
        #: Whether it said that it has become a worker; until then it has done nothing for anybody.
        self.ready = False
        self.problem = ""

    @property
    def running(self) -> bool:
        """Whether jobs may be sent."""
        return self.stage.state is State.RUNNING


class NoWorker(Exception):
    """[controller] No worker can be had: take the fork route."""


#: The pools of this process, for its children to close: see _forget_all.
_pools: weakref.WeakSet[Pool] = weakref.WeakSet()


def _forget_all() -> None:
    for pool in list(_pools):
        pool._forget()


os.register_at_fork(after_in_child=_forget_all)


class Pool:
    """[controller] All workers of one run."""

    def __init__(self, seam: ControllerSeam, wake: Wake, size: Optional[int] = None) -> None:
        self._seam = seam
        self._wake = wake
        self._workers: list[Optional[Worker]] = [None] * (size or settings.workers())
        self._owner: dict[str, int] = {}
        self._load = [0] * len(self._workers)
        self._next_job = 0
        self._started = 0
        self._deaths = 0
        #: Host-tasks that workers have done.
        self.results = 0
        self._owner_pid = os.getpid()
        self._broken = False
        self.registry = Registry(seam.shared_kinds(), seam.name_of, seam.by_name, ignore=("notified_hosts",), reducers=seam.reducers())
        _pools.add(self)

    # -- starting -----------------------------------------------------------------------------------------------

    @property
    def started(self) -> bool:
        """Whether any worker was ever started (before that, nothing needs to be sent to anybody)."""
        return self._started > 0

    def live(self) -> list[Worker]:
        """The workers that can be sent messages."""
        return [worker for worker in self._workers if worker is not None and worker.running]

    def _forget(self) -> None:
        # In a child: these sockets are the controller's. Held open here, a worker would not notice the controller's death.
        for worker in self._workers:
            if worker is not None and worker.channel is not None:
                worker.channel.close()

    def _start(self, index: int) -> Worker:
        if self._broken:
            raise NoWorker("too many workers died")
        worker = Worker(index)
        ours, theirs = frames.pair()
        worker.channel = frames.Channel(ours)
        worker.process = self._seam.process(child.main, (theirs, index, self._seam, self.registry))
        self._workers[index] = worker  # before the fork, so that the child closes our end too
        try:
            with self._seam.fork_guard(), interrupts.held():
                worker.process.start()
        except OSError as exc:
            self._workers[index] = None
            ours.close()
            theirs.close()
            self.give_up(exc)
            raise NoWorker(str(exc)) from exc
        theirs.close()
        worker.stage.to(State.RUNNING)
        self._started += 1
        path = settings.pid_file()
        if path:
            with open(path, "a", encoding="utf-8") as handle:
                handle.write(f"worker {index} {worker.process.pid}\n")
        worker.reader = threading.Thread(target=self._read, args=(worker,), name=f"mitopatch-worker-{index}", daemon=True)
        worker.reader.start()
        return worker

    def worker_for(self, host: str) -> Worker:
        """The worker that owns ``host``, started if need be; raises NoWorker if none can be had."""
        index = self._owner.get(host)
        if index is None:
            index = min(range(len(self._workers)), key=self._load.__getitem__)
            self._owner[host] = index
            self._load[index] += 1
        worker = self._workers[index]
        if worker is None or not worker.running:
            worker = self._start(index)
        worker.hosts.add(host)
        return worker

    # -- sending ------------------------------------------------------------------------------------------------

    def broadcast(self, kind: int, payload: bytes, number: int = 0) -> None:
        """Send the same message to every live worker; those not started yet will have it by their fork."""
        for worker in self.live():
            self._send(worker, kind, number, payload)

    def hold(self, kind: int, payload: bytes) -> None:
        """As `broadcast`, for what a worker need not know before the next message."""
        for worker in self.live():
            self._send(worker, kind, 0, payload, hold=True)

    def _send(self, worker: Worker, kind: int, number: int, payload: bytes, hold: bool = False) -> None:
        if worker.channel is None:
            return
        try:
            if hold:
                worker.channel.hold(kind, payload)
            else:
                worker.channel.send(kind, number, payload)
        except OSError:
            LOG.debug("worker %d is gone", worker.index)  # its reader finds out, and reports what was lost

    def share(self, obj: Any) -> int:
        """The number of ``obj``; what the workers lack of it is sent. Raises Unshippable."""
        number = self.registry.number(obj)
        if number is None:
            data = self.registry.dump(obj)
            self.broadcast(frames.OBJECTS, data)
            return self.registry.number(obj) or 0
        changed = self.registry.changes(number)
        if changed:
            self.broadcast(frames.UPDATE, self.registry.dump((number, changed)))
            self.registry.told(number, changed)
        return number

    def forget_objects(self) -> None:
        """Between plays: let both sides forget what was shared. What is still needed is sent again, once."""
        if self.in_flight() == 0:
            self.registry.clear()
            self.broadcast(frames.CALL, pickle.dumps(("forget_objects", ()), protocol=5))

    def send_job(self, worker: Worker, task: Any, job: tuple[str, int, int, int, int], flight: Flight) -> int:
        """Send a job ``(host, task, play, play_context, slot)``; its number. ``flight`` is told how it ends."""
        self._next_job += 1
        number = self._next_job
        worker.flights[number] = flight
        self._send(worker, frames.JOB, number, pickle.dumps(Job(number, *job), protocol=5))
        if not worker.running:  # it died meanwhile; its reader may have looked before the flight was there
            self._lose(worker)
        return number

    def reply(self, worker: Worker, number: int, value: Any) -> None:
        """Send the answer to the prompt of a job."""
        self._send(worker, frames.REPLY, number, pickle.dumps(value, protocol=5))

    def call(self, host: str, method: str, arguments: tuple[Any, ...]) -> None:
        """Have the owner of ``host``, if it has one already, run a method of its seam."""
        index = self._owner.get(host)
        worker = self._workers[index] if index is not None else None
        if worker is not None and worker.running:
            self._send(worker, frames.CALL, 0, pickle.dumps((method, arguments), protocol=5))

    def in_flight(self) -> int:
        """Number of jobs that have not ended."""
        return sum(len(worker.flights) for worker in self._workers if worker is not None)

    # -- the reading threads ------------------------------------------------------------------------------------

    def _read(self, worker: Worker) -> None:
        channel = worker.channel
        if channel is None:
            return
        while True:
            frame = channel.receive()
            if frame is None:
                break
            kind, number, payload = frame
            if kind == frames.QUEUE:
                self._forward(payload)
                continue
            if kind == frames.READY:
                worker.ready = True
                continue
            if kind == frames.FAILED:
                worker.problem = payload.decode("utf-8", "replace")
                continue
            if kind == frames.DIGESTS:
                checked = worker.flights.get(number)
                if checked is not None and checked.compare is not None:
                    checked.compare(payload)
                continue
            flight = worker.flights.pop(number, None)
            if flight is None:
                continue
            if kind == frames.RESULT:
                self.results += 1
                # A result that cannot be put on the queue ends the run as upstream ends it for a worker without a result.
                (flight.done if self._forward(payload) else flight.crashed)()
            elif kind == frames.HANDBACK:
                flight.handed_back(payload.decode("utf-8", "replace"))
            elif kind == frames.CRASHED:
                flight.crashed()
            self._wake.set()
        self._reap(worker)

    def _forward(self, payload: bytes) -> bool:
        try:
            self._seam.forward(payload)
        except (OSError, ValueError):  # the queue is closed: the run is over
            LOG.debug("final queue", exc_info=True)
            return False
        return True

    def _reap(self, worker: Worker) -> None:
        worker.process.join(STOP_SECONDS)
        if worker.process.is_alive():  # it closed its socket and does not end
            worker.process.kill()
            worker.process.join()
        leaving = worker.stage.state is State.LEAVING
        worker.stage.to(State.DEAD)
        if not leaving:
            self._deaths += 1
            if self._deaths > MAX_REPLACEMENTS:
                self.give_up(f"{self._deaths} workers have died")
            if not worker.ready and (worker.process.exitcode or 0) >= 0:  # it ended by itself: the next one would too
                self.give_up(worker.problem or f"it {ending(worker.process.exitcode)}")
            self._lose(worker)
        self._wake.set()

    def give_up(self, problem: object, code: str = "MP202") -> None:
        """No worker will be started any more, and the user is told why: all host-tasks take the fork route."""
        if not self._broken:
            self._broken = True
            self._seam.warn(Reason(code, problem=problem).text)

    @staticmethod
    def _take_flights(worker: Worker) -> list[Flight]:
        flights = []
        while worker.flights:
            try:
                flights.append(worker.flights.popitem()[1])
            except KeyError:
                break  # another thread took the last one
        return flights

    def _lose(self, worker: Worker) -> None:
        flights = self._take_flights(worker)
        if not worker.ready:  # it had not begun with any of them
            for flight in flights:
                flight.handed_back("no worker")
            flights = []
        how = ending(worker.process.exitcode)
        if flights:
            hosts = ", ".join(sorted({flight.host for flight in flights})[:5])
            facts = {"index": worker.index, "pid": worker.process.pid, "how": how, "count": len(flights), "hosts": hosts}
            self._seam.warn(Reason("MP201", **facts).text)
        for flight in flights:
            self._seam.lost(flight.host, flight.task, Reason("MP203", how=how).text)
            flight.done()
        self._wake.set()

    # -- stopping -----------------------------------------------------------------------------------------------

    def stop(self, quick: bool = False) -> None:
        """End all workers: end-of-file, then TERM, then KILL, each with its time. ``quick``: start with TERM."""
        if os.getpid() != self._owner_pid:
            return  # a fork of the controller that ends in the ordinary way must not stop our workers
        workers = [worker for worker in self._workers if worker is not None]
        for worker in workers:
            if worker.running and worker.channel is not None:
                worker.stage.to(State.LEAVING)
                # A worker that is stuck with a full socket cannot be told; it gets the signals below. Not end-of-file either:
                # without LEAVE it means that the controller died.
                if worker.channel.try_send(frames.LEAVE):
                    worker.channel.end()
        self._wait(workers, 0.3 if quick else STOP_SECONDS)
        self._signal(workers, signal.SIGTERM)
        self._wait(workers, TERM_SECONDS)
        self._signal(workers, signal.SIGKILL)
        self._wait(workers, TERM_SECONDS)
        for worker in workers:
            # Nobody waits for a task that was cut off (TaskQueueManager._cleanup_processes, WORKER_SHUTDOWN_POLL_COUNT).
            for flight in self._take_flights(worker):
                flight.done()
            if worker.channel is not None and (worker.reader is None or not worker.reader.is_alive()):
                worker.channel.close()
        self._workers = [None] * len(self._workers)
        self._owner.clear()
        self._load = [0] * len(self._workers)

    def recycle(self) -> None:
        """End all workers so that the next dispatch forks new ones with everything as it is now: slow, always right.

        Called between tasks only; jobs in flight would be lost.
        """
        self.stop()

    @staticmethod
    def _wait(workers: list[Worker], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        for worker in workers:
            if worker.reader is not None:
                worker.reader.join(max(0.0, deadline - time.monotonic()))

    @staticmethod
    def _signal(workers: list[Worker], number: int) -> None:
        for worker in workers:
            if worker.reader is not None and worker.reader.is_alive() and worker.process.pid:
                try:
                    os.kill(worker.process.pid, number)
                except ProcessLookupError:
                    continue


def ending(code: Optional[int]) -> str:
    """How a process ended, in words: ``was killed by SIGKILL`` or ``ended with exit status 3``."""
    if code is not None and code < 0:
        try:
            return f"was killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"was killed by signal {-code}"
    return f"ended with exit status {code}"
