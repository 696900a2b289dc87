"""Both seams without Ansible: what a job does stands in its task, and everything that happens is written down."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import stat
import threading
import time
from collections.abc import Hashable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Optional

from mitopatch.runtime import frames
from mitopatch.runtime.pool import Flight, Pool
from mitopatch.runtime.seam import ControllerSeam, HandBack, Job, WorkerSeam
from mitopatch.runtime.wake import Wake

CONTEXT = multiprocessing.get_context("fork")


class Task:
    """[test] A shared object: ``what`` a job of it does."""

    def __init__(self, what: str, **more: Any) -> None:
        self.what = what
        self.__dict__.update(more)


def sockets() -> set[int]:
    """Inodes of the sockets that this process has open."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            info = os.fstat(int(name))
            if stat.S_ISSOCK(info.st_mode):
                found.add(info.st_ino)
    return found


class FakeWorker(WorkerSeam):
    """[worker] Does what a task says."""

    def __init__(self, channel: frames.Channel, registry: Any) -> None:
        self.channel = channel
        self.registry = registry
        self.log: list[Any] = []
        self.answers: dict[int, Any] = {}
        self.answered = threading.Condition()

    def apply(self, operation: tuple[Any, ...]) -> None:
        if operation == ("fail",):
            raise RuntimeError("the replica cannot do this")
        if operation == ("block",):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            threading.Event().wait()
        self.log.append(operation)

    def note(self, host: str, data: bytes) -> None:
        self.log.append(("note", host, pickle.loads(data)))

    def set_state(self, state: tuple[Any, ...]) -> None:
        self.log.append(("state", *state))

    def call(self, method: str, arguments: tuple[Any, ...]) -> None:
        self.log.append(("call", method, arguments))

    def prepare(self, job: Job) -> Any:
        task = self.registry.objects[job.task]
        if task.what == "cannot prepare":
            raise ValueError("undefined")
        return job, dict(vars(task)), list(self.log)

    def run(self, prepared: Any) -> bool:
        job, task, log = prepared
        what = task["what"]
        if what == "hand back":
            raise HandBack("not for a thread")
        if what == "raise":
            raise KeyError("a bug")
        if what == "no result":
            return False
        if what == "die":
            os._exit(3)
        if what == "hang":
            Path(task["began"]).with_suffix(f".{job.host}").touch()
            threading.Event().wait()
        if what == "ask":
            self._put(frames.QUEUE, 0, ("ask", job.number))
            with self.answered:
                self.answered.wait_for(lambda: job.number in self.answers, 30)
            what = self.answers.pop(job.number)
        if what == "items":
            for number in range(task["count"]):
                self._put(frames.QUEUE, 0, ("item", job.host, number))
        found = {"host": job.host, "what": what, "pid": os.getpid(), "log": log, "task": task, "number": job.number}
        if what == "look":
            found |= {"sockets": sockets(), "stdin": os.readlink("/proc/self/fd/0"), "session": os.getsid(0)}
        self._put(frames.RESULT, job.number, found)
        return True

    def _put(self, kind: int, number: int, value: Any) -> None:
        self.channel.send(kind, number, pickle.dumps(value))

    def reply(self, number: int, value: Any) -> None:
        with self.answered:
            self.answers[number] = value
            self.answered.notify_all()

    def close(self, orphaned: bool) -> None:
        path = os.environ.get("SEAMS_CLOSED")
        if path:
            with open(path, "a", encoding="utf-8") as handle:
                handle.write(f"{orphaned}\n")


class FakeController(ControllerSeam):
    """[controller] Writes everything down."""

    def __init__(self) -> None:
        self.forwarded: list[Any] = []
        self.lost_hosts: list[tuple[str, Any, str]] = []
        self.warnings: list[str] = []
        self.refuse: Optional[OSError] = None
        self.broken = ""

    def process(self, target: Any, arguments: tuple[Any, ...]) -> Any:
        if self.refuse is not None:
            process = CONTEXT.Process()
            process.start = self.fail  # type: ignore[method-assign]
            return process
        return CONTEXT.Process(target=target, args=arguments)

    def fail(self) -> None:
        assert self.refuse is not None
        raise self.refuse

    def fork_guard(self) -> AbstractContextManager[Any]:
        return contextlib.nullcontext()

    def shared_kinds(self) -> tuple[type, ...]:
        return (Task,)

    def name_of(self, obj: Any) -> Optional[Hashable]:
        return "controller" if obj is self else None

    def by_name(self, name: Hashable) -> Any:
        return self

    def forward(self, data: bytes) -> None:
        self.forwarded.append(pickle.loads(data))

    def lost(self, host: str, task: Any, message: str) -> None:
        self.lost_hosts.append((host, task, message))

    def warn(self, message: str) -> None:
        self.warnings.append(message)

    def enter_worker(self, channel: Any, registry: Any) -> WorkerSeam:
        if self.broken == "raise":
            raise ImportError("no module named mitogen")
        if self.broken == "exit":
            os._exit(7)
        if self.broken == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        return FakeWorker(channel, registry)


class Ends:
    """[controller] How one job ended, each time it did."""

    def __init__(self, wake: Wake) -> None:
        self.how: list[str] = []
        self._wake = wake

    def add(self, how: str) -> None:
        self.how.append(how)


class Rig:
    """[controller] A pool over the two seams."""

    def __init__(self, size: Optional[int] = 2) -> None:
        self.seam = FakeController()
        self.wake = Wake()
        self.pool = Pool(self.seam, self.wake, size)

    def send(self, host: str, task: Task, slot: int = 0) -> Ends:
        """Send a job as a session does."""
        ends = Ends(self.wake)
        number = self.pool.share(task)
        flight = Flight(host, task, lambda: ends.add("done"), lambda reason: ends.add(f"back: {reason}"), lambda: ends.add("crashed"))
        worker = self.pool.worker_for(host)
        self.pool.send_job(worker, task, (host, number, 0, 0, slot), flight)
        return ends

    def until(self, condition: Any, seconds: float = 30) -> None:
        """Wait as upstream's main thread does."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, (self.seam.forwarded, self.seam.lost_hosts, self.seam.warnings)
            self.wake.wait(0.5)

    def results(self) -> dict[str, Any]:
        """The last result of each host."""
        return {found["host"]: found for found in self.seam.forwarded if isinstance(found, dict)}

    def pids(self) -> list[int]:
        return [worker.process.pid for worker in self.pool.live()]
