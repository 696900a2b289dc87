"""[worker] What upstream takes for granted in a process of its own, for each thread.

Upstream's ``WorkerProcess._run`` does the work, on an instance of a subclass that was never made a process: so what a
task goes through is upstream's own code of the installed release.
"""

from __future__ import annotations

import queue
import threading
from multiprocessing.reduction import ForkingPickler
from typing import Any, Optional

from ansible.errors import AnsibleError
from ansible.executor.process.worker import WorkerProcess
from ansible.executor.task_queue_manager import FinalQueue

from mitopatch.runtime import frames
from mitopatch.runtime.seam import Job

_local = threading.local()


def current_task() -> Optional[Prepared]:
    """The host-task that runs on this thread."""
    return getattr(_local, "prepared", None)


def begin(prepared: Optional[Prepared]) -> None:
    """This thread runs a host-task from now on, or none."""
    _local.prepared = prepared


class Prepared:
    """A job with all it needs; one thread uses it, once."""

    def __init__(self, job: Job, host: Any, task: Any, play_context: Any, variables: dict[str, Any]) -> None:
        self.job = job
        self.host = host
        self.task = task
        self.play_context = play_context
        self.variables = variables
        self.answers: queue.Queue[Any] = queue.Queue()
        #: Whether something happened that others can see, so that the job cannot be handed back any more.
        self.touched = False
        #: Whether what was done so far may be done again in a fork (see routes.acting).
        self.repeatable = True
        self.sent = False
        #: The implicit localhost, if this host-task made one (see `versions.localhost`).
        self.localhost: Any = None


class Queue(FinalQueue):  # type: ignore[misc]
    """Ansible's final queue as a worker's tasks see it: the same methods, but items travel over the worker's channel.

    A killed worker then cannot leave a shared lock locked, and the result and the end of a job are one message.
    """

    def __init__(self, channel: frames.Channel) -> None:
        # Not the base class's: no pipe, no shared lock.
        self._channel = channel

    def put(self, obj: Any, *args: Any, **kwargs: Any) -> None:
        """Pickle the item here, as upstream's queue does, and send it."""
        data = bytes(ForkingPickler.dumps(obj))
        prepared = current_task()
        if prepared is not None and getattr(_local, "result", False):
            prepared.sent = True
            self._channel.send(frames.RESULT, prepared.job.number, data)
        else:
            self._channel.send(frames.QUEUE, 0, data)

    def send_task_result(self, *args: Any, **kwargs: Any) -> None:
        """As upstream's; what it puts is the end of the job."""
        _local.result = True
        try:
            super().send_task_result(*args, **kwargs)
        finally:
            _local.result = False

    def send_callback(self, *args: Any, **kwargs: Any) -> None:
        """As upstream's; the task has been seen to do something."""
        prepared = current_task()
        if prepared is not None:
            prepared.touched = True
        super().send_callback(*args, **kwargs)

    def close(self) -> None:
        """Nothing of its own to close."""


class Answers:
    """The reading end of a job's prompt answers; raises the errors among them, as upstream's WorkerQueue."""

    def __init__(self, answers: queue.Queue[Any]) -> None:
        self._answers = answers

    def get(self, *args: Any, **kwargs: Any) -> Any:
        """Wait for an answer."""
        answer = self._answers.get(*args, **kwargs)
        if isinstance(answer, AnsibleError):
            raise answer
        return answer


class ThreadWorker(WorkerProcess):  # type: ignore[misc]
    """Upstream's worker without a process: only its ``_run`` is used, on a thread.

    Upstream puts it into a module global (``current_worker``) that all threads share, so what is read through that
    global is looked up per thread.
    """

    def __init__(self, worker: Any, prepared: Prepared) -> None:
        # Not the base class's: this is no process.
        self._final_q = worker.queue
        self._task_vars = prepared.variables
        self._host = prepared.host
        self._task = prepared.task
        self._play_context = prepared.play_context
        self._loader = worker.own_loader()
        self._variable_manager = worker.manager
        self._shared_loader_obj = worker.shared_loader_obj
        self._new_stdin = worker.stdin
        self._cliargs = worker.cliargs

    @property
    def worker_id(self) -> int:
        """Number of the slot, for the answer to a prompt."""
        prepared = current_task()
        return prepared.job.slot if prepared is not None else 0

    @property
    def worker_queue(self) -> Answers:
        """Where the answer to a prompt comes."""
        prepared = current_task()
        if prepared is None:
            raise RuntimeError("no task runs on this thread")
        return Answers(prepared.answers)

    def _hard_exit(self, e: Any) -> None:
        raise RuntimeError(str(e))
