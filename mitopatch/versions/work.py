"""[worker] Ansible in a worker: its replica of the controller's state, and running tasks on threads.

Upstream's ``WorkerProcess._run`` does the work, on an instance of a subclass that was never made a process: so what a
task goes through is upstream's own code of the installed release. What upstream takes for granted in a fork of its own
is given to each thread: its own task object (upstream writes the templated values into it), host (upstream empties it at the
end), data loader (for the list of temporary files), standard streams, answers to prompts, and slot number.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle  # nosec B403 # see runtime.objects
import shutil
import threading
from collections.abc import Callable
from multiprocessing.reduction import ForkingPickler
from typing import Any, Optional

from ansible import constants, context
from ansible.plugins import loader as plugin_loader
from ansible.utils.display import Display

from mitopatch.runtime import frames, objects
from mitopatch.runtime.bounded import Bounded
from mitopatch.runtime.seam import HandBack, Job, WorkerSeam
from mitopatch.targets import master
from mitopatch.versions import (
    all_vars,
    attributes,
    copies,
    deep_copies,
    fact_vars,
    facts,
    finds,
    localhost,
    magic,
    modules,
    options,
    plugin_files,
    plugin_lock,
    replay,
    routes,
    templates,
    threads,
    vars_files,
    words,
)
from mitopatch.versions.threads import Prepared, Queue, ThreadWorker

LOG = logging.getLogger(__name__)
display = Display()

#: The mutators of facts.
FACTS = ("set_host_facts", "clear_facts")
#: Hosts whose variables, as others see them, are kept.
MOST = 5000


class Worker(WorkerSeam):
    """The worker seam."""

    def __init__(self, controller: Any, channel: frames.Channel, registry: objects.Registry) -> None:
        self.family = controller.family
        self.anchors = controller.anchors
        self.manager = controller.anchors["variables"]
        self.inventory = controller.anchors["inventory"]
        self.registry = registry
        self.lock = threading.RLock()
        #: Why this replica is not the controller's any more.
        self._broken: Optional[Exception] = None
        #: The arguments of the last operation on each host, and the hosts that share facts: see `alias`.
        self._last: dict[str, tuple[Any, ...]] = {}
        self._at_once: set[str] = set()
        self._pending: dict[str, list[bytes]] = {}
        #: By name: a host, the task that read its variables last, and what these were.
        self._hostvars: dict[str, tuple[Any, int, dict[str, Any]]] = Bounded(MOST)
        self.magic = magic.Magic()
        self.fact_vars = fact_vars.FactVars()
        self._waiting: dict[int, Prepared] = {}
        self._squashed: set[int] = set()
        self._matched = False
        self._loader = controller.anchors["loader"]
        self._controller_pid = os.getppid()
        self.cliargs = context.CLIARGS
        self.checker = controller.checker
        self._channel = channel
        namespace = getattr(plugin_loader, "get_plugin_loader_namespace", None)
        self.shared_loader_obj = namespace() if namespace is not None else plugin_loader
        self.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 - lives as long as the process
        self.queue = Queue(channel)
        set_queue = getattr(display, "set_queue", None)
        if set_queue is not None:
            set_queue(self.queue)
        if self.family.keeps_books:
            self.anchors["books"].install()
        plugin_lock.remember_paths()
        plugin = self.family.fact_cache(self.manager)
        if plugin is not None:
            self.anchors["fact cache"] = overlay = facts.OverlayCache(plugin, controller.cached)
            self.family.set_fact_cache(self.manager, overlay)
            self._at_once = facts.shared(controller.cached)
        replay.become(self)
        localhost.keep_apart(self.inventory)
        self._take_state(controller.state)
        self.deepcopy = deep_copies.install(*self.family.values())
        for kind, reduced in self.family.reducers().items():
            ForkingPickler.register(kind, reduced)  # for what goes to the controller
        self.family.start(self)
        self._install_what_is_done_once()
        words.install()
        self.master = master.Master(len(self.inventory.hosts))
        kind = self.family
        routes.install(kind, self.master, modules.Modules(kind.module_loader, kind.nameless_modules, kind.interpreter_arguments))

    def _install_what_is_done_once(self) -> None:
        templates.install(self.family.environment(), self.family.template_mark)
        plugin_files.install()
        all_vars.install()
        magic.install(self)
        vars_files.install(self.deepcopy, self.family.warnings)
        self.fact_vars.install(self.deepcopy)
        attributes.install()
        finds.install()
        options.install()

    def _forget_variables(self) -> None:
        """Of variables that were worked out once: the play, its hosts or the inventory may be others from now on."""
        self._hostvars.clear()
        self.magic.forget()

    # -- the replica ----------------------------------------------------------------------------------------------

    def apply(self, operation: tuple[Any, ...]) -> None:
        anchor, method, args, kwargs = operation
        with self.lock:
            self._forget_variables()
            self.fact_vars.forget()
            try:
                getattr(self.anchors[anchor], method)(*args, **kwargs)
            except Exception as exc:
                # The main loop goes on. Nothing here can be trusted any more, so no task runs here until the controller, where
                # it has failed as well or will not be asked again, starts the workers anew.
                LOG.debug("%s", method, exc_info=True)
                self._broken = exc

    def note(self, host: str, data: bytes) -> None:
        with self.lock:
            self._pending.setdefault(host, []).append(data)
            if host in self._at_once:
                self.settle(host)

    def settle(self, host: str) -> None:
        """Apply what was noted of a host's variables; called under the lock, before they are read."""
        noted = self._pending.pop(host, None)
        if noted is not None:
            self._hostvars.pop(host, None)
            for data in noted:
                method, args = objects.load(data)
                self._last[host] = args
                if method in FACTS:
                    self.fact_vars.forget()
                getattr(self.manager, method)(host, *args)

    def hostvars(self, host: Any, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What tasks of other hosts see of this host's variables; called under the lock, with nothing noted of it.

        A template that reads those of all hosts, for each host, computes them once a task, as long as nothing changes.
        """
        prepared = threads.current_task()
        if prepared is None:
            return compute()
        kept = self._hostvars.get(host.name)
        if kept is None or kept[0] is not host or kept[1] != prepared.job.task:
            kept = self._hostvars[host.name] = (host, prepared.job.task, compute())
        elif self.checker is not None:
            self.checker.compare_kept(host.name, prepared.task, kept[2], compute())
        return dict(kept[2])

    def has_hosts(self, hosts: Any, hosts_all: Any) -> bool:
        """Whether these lists of hosts are the ones that the controller has told."""
        return hosts is self._hosts and hosts_all is self._hosts_all

    def alias(self, host: str, first: str, method: str) -> None:
        """The controller has called ``method`` for this host with the very object with which it had called it for ``first``.

        A cache in memory then keeps one dictionary for both, and what is added to one host's facts the other has too (2.21,
        facts of a task with ``run_once``). From now on these hosts' operations are applied as they come, in their order.
        """
        with self.lock:
            self.settle(first)
            self.settle(host)
            self._at_once.update((first, host))
            self._hostvars.clear()
            self.fact_vars.forget()
            args = self._last[first]
            self._last[host] = args
            getattr(self.manager, method)(host, *args)

    def set_state(self, state: tuple[Any, ...]) -> None:
        known, roles = state
        with self.lock:
            if roles is not None:
                self.registry.objects[known[0]].roles = roles
            self._take_state(known)

    def _take_state(self, state: tuple[Any, ...]) -> None:
        self._forget_variables()
        number, hosts, hosts_all, removed, (failed, unreachable), self._localhost = state
        localhost.take(self.inventory, self._localhost)
        self._hosts, self._hosts_all = list(hosts), list(hosts_all)
        failed = set(failed)
        gone = failed.union(unreachable)
        self._remaining = [host for host in hosts if host not in gone]
        self._failed = [host for host in hosts if host in failed]
        play = self.registry.objects.get(number)
        if play is not None:
            play._removed_hosts = list(removed)

    # -- jobs -----------------------------------------------------------------------------------------------------

    def prepare(self, job: Job) -> Prepared:
        known = self.registry.objects
        if self._broken is not None:
            raise RuntimeError(f"an operation failed: {self._broken}")
        host, task = self.inventory.get_host(job.host), known[job.task]
        with self.lock:
            if not self._matched:
                self.family.match(self.inventory, known[job.play])
                self._matched = True
            variables = self.manager.get_vars(play=known[job.play], host=host, task=task, _hosts=self._hosts, _hosts_all=self._hosts_all)
            variables["ansible_current_hosts"] = list(self._remaining)
            variables["ansible_failed_hosts"] = list(self._failed)
            if self.checker is not None:
                digests = self.checker.digests(variables, task, known[job.play_context])
                self._channel.send(frames.DIGESTS, job.number, pickle.dumps(digests, protocol=5))
            prepared = Prepared(job, copies.own_host(host), self._own_task(job.task, task), known[job.play_context], variables)
            prepared.localhost = localhost.made(self.inventory, self._localhost)
            return prepared

    def _own_task(self, number: int, task: Any) -> Any:
        if number not in self._squashed:
            # Upstream's worker squashes its own copy of the task (TaskExecutor.__init__): here once for all hosts.
            task.squash()
            self._squashed.add(number)
        return self.family.own_task(task)

    def own_loader(self) -> Any:
        """A data loader that shares all but the list of temporary files, which a task's end deletes."""
        mine = object.__new__(type(self._loader))
        mine.__dict__.update(self._loader.__dict__)
        mine._tempfiles = set()
        return mine

    def run(self, prepared: Prepared) -> bool:
        threads.begin(prepared)
        if self.family.keeps_books:
            self.anchors["books"].begin()
        self._waiting[prepared.job.number] = prepared
        try:
            self.family.run(ThreadWorker(self, prepared))
        except HandBack:
            raise
        except BaseException:
            LOG.exception("task %s on %s", prepared.task, prepared.host)
        finally:
            self.master.turns.leave()
            del self._waiting[prepared.job.number]
            threads.begin(None)
        return prepared.sent

    def reply(self, number: int, value: Any) -> None:
        prepared = self._waiting.get(number)
        if prepared is not None:
            prepared.answers.put(value)

    def call(self, method: str, arguments: tuple[Any, ...]) -> None:
        try:
            getattr(self, method)(*arguments)
        except Exception:
            LOG.exception("%s", method)

    def forget_objects(self) -> None:
        """A new play begins: its objects will be sent."""
        self.registry.clear()
        self._squashed.clear()
        self._matched = False
        with self.lock:
            self._forget_variables()

    def reset_connection(self, host: str, task: int, play: int, play_context: int) -> None:
        """``meta: reset_connection`` for a host of this worker."""
        known = self.registry.objects
        routes.reset_connection(
            self.family,
            self.master, self.manager, self._loader, self.inventory.get_host(host), known[task], known[play], known[play_context],
            self._hosts, self._hosts_all,
        )  # fmt: skip

    def close(self, orphaned: bool) -> None:
        if orphaned:
            # Upstream removes it in an exit handler, which a signal skips (ansible.config.manager, ansible.constants).
            local_tmp = str(constants.DEFAULT_LOCAL_TMP)
            if os.path.basename(local_tmp).startswith(f"ansible-local-{self._controller_pid}"):
                shutil.rmtree(local_tmp, ignore_errors=True)
            # From 2.21 the controller has an RPC server, whose socket lies in multiprocessing's own directory.
            shared = multiprocessing.current_process()._config.get("tempdir")  # type: ignore[attr-defined]
            if shared:
                shutil.rmtree(shared, ignore_errors=True)
        self.master.close()
