"""[worker] Ansible in a worker: its replica of the controller's state, and running tasks on threads.

Upstream's ``WorkerProcess._run`` does the work, on an instance of a subclass that was never made a process: so what a
task goes through is upstream's own code of the installed release. What upstream takes for granted in a fork of its own
is given to each thread: its own task object (upstream writes the templated values into it), host (upstream empties it at the
end), data loader (for the list of temporary files), standard streams, answers to prompts, and slot number.
"""

from __future__ import annotations

import logging
import os
import queue
import shutil
import threading
from multiprocessing.reduction import ForkingPickler
from typing import Any, Dict, List, Optional, Tuple

from ansible import constants, context
from ansible.errors import AnsibleError
from ansible.executor.process.worker import WorkerProcess
from ansible.executor.task_queue_manager import FinalQueue
from ansible.plugins import loader as plugin_loader
from ansible.utils.display import Display

from mitopatch.runtime import frames, objects
from mitopatch.runtime.seam import HandBack, Job, WorkerSeam
from mitopatch.targets import master
from mitopatch.versions import control, facts, plugin_lock, routes

LOG = logging.getLogger(__name__)
display = Display()

_local = threading.local()


def current_task() -> Optional["Prepared"]:
    """The host-task that runs on this thread."""
    return getattr(_local, "prepared", None)


class Prepared:
    """A job with all it needs; one thread uses it, once."""

    def __init__(self, job: Job, host: Any, task: Any, play_context: Any, variables: Dict[str, Any]) -> None:
        self.job = job
        self.host = host
        self.task = task
        self.play_context = play_context
        self.variables = variables
        self.answers: "queue.Queue[Any]" = queue.Queue()
        #: Whether something happened that others can see, so that the job cannot be handed back any more.
        self.touched = False
        self.sent = False


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

    def __init__(self, answers: "queue.Queue[Any]") -> None:
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

    def __init__(self, worker: "Worker", prepared: Prepared) -> None:
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


class Worker(WorkerSeam):
    """The worker seam."""

    def __init__(self, controller: Any, channel: frames.Channel, registry: objects.Registry) -> None:
        self.family = controller.family
        self.anchors = controller.anchors
        self.manager = controller.anchors["variables"]
        self.inventory = controller.anchors["inventory"]
        self.registry = registry
        self.lock = threading.RLock()
        self._pending: Dict[str, List[bytes]] = {}
        self._waiting: Dict[int, Prepared] = {}
        self._squashed: set = set()
        self._loader = controller.anchors["loader"]
        self._controller_pid = os.getppid()
        self.cliargs = context.CLIARGS
        namespace = getattr(plugin_loader, "get_plugin_loader_namespace", None)
        self.shared_loader_obj = namespace() if namespace is not None else plugin_loader
        self.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 - lives as long as the process
        self.queue = Queue(channel)
        set_queue = getattr(display, "set_queue", None)
        if set_queue is not None:
            set_queue(self.queue)
        plugin_lock.remember_paths()
        self.family.fact_cache(self.manager, facts.OverlayCache)
        control.become_replica(self)
        self._take_state(controller.state)
        self.family.start(self)
        self.master = master.Master(len(self.inventory.hosts))
        routes.install(self.master)

    # -- the replica ----------------------------------------------------------------------------------------------

    def apply(self, operation: Tuple[Any, ...]) -> None:
        anchor, method, args, kwargs = operation
        with self.lock:
            getattr(self.anchors[anchor], method)(*args, **kwargs)

    def note(self, host: str, data: bytes) -> None:
        with self.lock:
            self._pending.setdefault(host, []).append(data)

    def settle(self, host: str) -> None:
        """Apply what was noted of a host's variables; called under the lock, before they are read."""
        noted = self._pending.pop(host, None)
        if noted is not None:
            for data in noted:
                method, args = objects.load(data)
                getattr(self.manager, method)(host, *args)

    def set_state(self, state: Tuple[Any, ...]) -> None:
        known, roles = state
        with self.lock:
            if roles is not None:
                self.registry.objects[known[0]].roles = roles
            self._take_state(known)

    def _take_state(self, state: Tuple[Any, ...]) -> None:
        number, hosts, hosts_all, removed, (failed, unreachable) = state
        self._hosts, self._hosts_all = list(hosts), list(hosts_all)
        gone = set(failed) | set(unreachable)
        self._remaining = [host for host in hosts if host not in gone]
        self._failed = [host for host in hosts if host in set(failed)]
        play = self.registry.objects.get(number)
        if play is not None:
            play._removed_hosts = list(removed)

    # -- jobs -----------------------------------------------------------------------------------------------------

    def prepare(self, job: Job) -> Prepared:
        known = self.registry.objects
        host, task = self.inventory.get_host(job.host), known[job.task]
        with self.lock:
            variables = self.manager.get_vars(play=known[job.play], host=host, task=task, _hosts=self._hosts, _hosts_all=self._hosts_all)
            variables["ansible_current_hosts"] = list(self._remaining)
            variables["ansible_failed_hosts"] = list(self._failed)
            prepared = Prepared(job, own_host(host), self._own_task(job.task, task), known[job.play_context], variables)
        return prepared

    def _own_task(self, number: int, task: Any) -> Any:
        if number not in self._squashed:
            # Upstream's worker squashes its own copy of the task (TaskExecutor.__init__): here once for all hosts.
            task.squash()
            self._squashed.add(number)
        return own_task(task)

    def own_loader(self) -> Any:
        """A data loader that shares all but the list of temporary files, which a task's end deletes."""
        mine = type(self._loader).__new__(type(self._loader))
        mine.__dict__.update(self._loader.__dict__)
        mine._tempfiles = set()
        return mine

    def run(self, prepared: Prepared) -> bool:
        _local.prepared = prepared
        self._waiting[prepared.job.number] = prepared
        try:
            self.family.run(ThreadWorker(self, prepared))
        except HandBack:
            raise
        except BaseException:
            LOG.exception("task %s on %s", prepared.task, prepared.host)
        finally:
            del self._waiting[prepared.job.number]
            _local.prepared = None
        return prepared.sent

    def reply(self, number: int, value: Any) -> None:
        prepared = self._waiting.get(number)
        if prepared is not None:
            prepared.answers.put(value)

    def call(self, method: str, arguments: Tuple[Any, ...]) -> None:
        try:
            getattr(self, method)(*arguments)
        except Exception:
            LOG.exception("%s", method)

    def reset_connection(self, host: str, task: int, play: int, play_context: int) -> None:
        """``meta: reset_connection`` for a host of this worker."""
        known = self.registry.objects
        routes.reset_connection(
            self.master, self.manager, self._loader, self.inventory.get_host(host), known[task], known[play], known[play_context],
            self._hosts, self._hosts_all,
        )  # fmt: skip

    def close(self, orphaned: bool) -> None:
        if orphaned:
            # Upstream removes it in an exit handler, which a signal skips (ansible.config.manager, ansible.constants).
            local_tmp = str(constants.DEFAULT_LOCAL_TMP)
            if os.path.basename(local_tmp).startswith(f"ansible-local-{self._controller_pid}"):
                shutil.rmtree(local_tmp, ignore_errors=True)
        self.master.close()


def own_task(task: Any) -> Any:
    """A copy of a squashed task for one host: upstream writes into it, and into its loop control and containers."""
    mine = type(task).__new__(type(task))
    attributes = mine.__dict__
    for key, value in task.__dict__.items():
        kind = type(value)
        if kind is dict or kind is list:
            value = value.copy()
        elif isinstance(value, dict) and key == "_attributes":
            value = dict(value)
        attributes[key] = value
    control_ = attributes.get("_loop_control")
    if control_ is not None and hasattr(control_, "copy"):
        attributes["_loop_control"] = control_.copy()
    return mine


def own_host(host: Any) -> Any:
    """A shallow copy of a host: upstream's worker empties its variables and groups before it sends the result."""
    mine = type(host).__new__(type(host))
    mine.__dict__.update(host.__dict__)
    return mine
