"""[controller] The engine's side of Ansible in the top process: what the bundles' patches call.

One ``Session`` lives per TaskQueueManager (a run of ansible-playbook, a command of ansible-console). It knows the
strategy at work, owns the pool, decides the route of each host-task, and logs mutations of shared state for the workers.
"""

from __future__ import annotations

import collections
import contextlib
import pickle  # nosec B403 - between our own processes
import threading
import time
from typing import Any, Deque, Dict, Hashable, Iterator, Optional, Tuple

from ansible.inventory.group import Group
from ansible.inventory.host import Host
from ansible.playbook.base import FieldAttributeBase
from ansible.playbook.play_context import PlayContext
from ansible.playbook.role import Role
from ansible.plugins import loader as plugin_loader
from ansible.utils.display import Display
from ansible.utils.multiprocessing import context as multiprocessing_context

from mitopatch.runtime import frames, settings
from mitopatch.runtime.objects import Unshippable
from mitopatch.runtime.pool import Flight, NoWorker, Pool
from mitopatch.runtime.seam import ControllerSeam
from mitopatch.runtime.slot import ReplyQueue, Slot
from mitopatch.runtime.wake import Clock, Wake
from mitopatch.versions import family, plugin_lock
from mitopatch.versions.lazy import LazyTaskVars, LazyVariables

display = Display()

#: Seconds for which a host whose connection Mitogen could not make takes the fork route.
CONNECTION_PENALTY = 20.0

#: Order of WorkerProcess's parameters where they are positional (2.11 to 2.18).
WORKER_PARAMETERS = (
    "final_q", "task_vars", "host", "task", "play_context", "loader", "variable_manager", "shared_loader_obj", "worker_id",
)  # fmt: skip

_current: Optional["Session"] = None


def current() -> Optional["Session"]:
    """The session of the run in progress in this process, if any."""
    return _current


class Controller(ControllerSeam):
    """The controller seam over one TaskQueueManager."""

    def __init__(self, tqm: Any, kind: "family.Family") -> None:
        self.family = kind
        self.tqm = tqm
        self.final_q = tqm._final_q
        self.state: Tuple[Any, ...] = ((), (), (), (), ())
        manager = tqm.get_variable_manager()
        self.anchors: Dict[Hashable, Any] = {
            "loader": tqm.get_loader(),
            "variables": manager,
            "inventory": tqm.get_inventory(),
            "inventory data": getattr(tqm.get_inventory(), "_inventory", None),
            "display": display,
        }
        for name, value in vars(plugin_loader).items():
            if isinstance(value, plugin_loader.PluginLoader):
                self.anchors["loader of plugins", name] = value
        self._names = {id(value): name for name, value in self.anchors.items() if value is not None}

    def process(self, target: Any, arguments: Tuple[Any, ...]) -> Any:
        return multiprocessing_context.Process(target=target, args=arguments)

    @contextlib.contextmanager
    def fork_guard(self) -> Iterator[None]:
        lock = getattr(display, "_lock", None)
        with lock if lock is not None else contextlib.nullcontext():
            yield

    def shared_kinds(self) -> Tuple[type, ...]:
        return (FieldAttributeBase, Role, PlayContext)

    def name_of(self, obj: Any) -> Optional[Hashable]:
        name = self._names.get(id(obj))
        if name is not None:
            return name
        if isinstance(obj, LazyVariables):
            return "variables"
        if isinstance(obj, Host):
            return ("host", obj.name) if self.anchors["inventory"].hosts.get(obj.name) is obj else None
        if isinstance(obj, Group):
            return ("group", obj.name) if self.anchors["inventory"].groups.get(obj.name) is obj else None
        return None

    def by_name(self, name: Hashable) -> Any:
        if isinstance(name, tuple) and name[0] == "host":
            return self.anchors["inventory"].get_host(name[1])
        if isinstance(name, tuple) and name[0] == "group":
            return self.anchors["inventory"].groups[name[1]]
        return self.anchors[name]

    def forward(self, data: bytes) -> None:
        queue = self.final_q
        semaphore = getattr(queue, "_sem", None)
        if semaphore is not None:  # 2.11 to 2.15: Queue, whose get() releases what put() acquired
            semaphore.acquire()
        with queue._wlock:
            queue._writer.send_bytes(data)

    def lost(self, host: str, task: Any, message: str) -> None:
        self.family.send_unreachable(self.final_q, self.anchors["inventory"].get_host(host), task, message)

    def warn(self, message: str) -> None:
        display.warning(message)

    def enter_worker(self, channel: Any, registry: Any) -> Any:
        return _work().Worker(self, channel, registry)


def _work() -> Any:
    # Late: it imports Mitogen (0.4 s), which a run without a task for a worker never needs. Before the first fork: once.
    from mitopatch.versions import work

    return work


class Session:
    """One run: from the first strategy of a TaskQueueManager to its cleanup."""

    def __init__(self, tqm: Any, kind: "family.Family") -> None:
        self.tqm = tqm
        self.family = kind
        self.wake = Wake()
        self.seam = Controller(tqm, kind)
        self.pool = Pool(self.seam, self.wake)
        self.strategy: Any = None
        self.upstream_worker: Any = None
        self._back: Deque[Tuple[Slot, Dict[str, Any], str]] = collections.deque()
        self._stale = False
        self._roles: Tuple[int, ...] = ()
        self._fork_only: Dict[int, bool] = {}
        self._fork_actions = settings.fork_actions()
        self._penalty: Dict[Tuple[str, Any], float] = {}
        self._main = threading.get_ident()
        self.slots = 0
        self.forks: list = []

    # -- the strategy ---------------------------------------------------------------------------------------------

    def adopt(self, strategy: Any) -> None:
        """Take over a freshly made strategy of this run: its results wake us, its variables come lazily."""
        self.strategy = strategy
        strategy._results = _Waking(self.wake)
        strategy._variable_manager = LazyVariables(strategy._variable_manager, lambda: strategy.debugger_active)
        rpc = getattr(strategy, "_rpc_queue", None)
        if rpc is not None:
            # Upstream's main thread serves it between its sleeps (2.21); a request must end the sleep.
            put = rpc.put

            def waking_put(*args: Any, **kwargs: Any) -> None:
                put(*args, **kwargs)
                self.wake.set()

            rpc.put = waking_put

    def new_slot(self, args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> Slot:
        """What upstream gets for ``WorkerProcess(...)``."""
        arguments = {**dict(zip(WORKER_PARAMETERS, args)), **kwargs}
        arguments["variable_manager"] = getattr(arguments["variable_manager"], "manager", arguments["variable_manager"])
        return Slot(lambda slot: self._start(slot, arguments), arguments.get("worker_id", 0))

    # -- routes ---------------------------------------------------------------------------------------------------

    def _start(self, slot: Slot, arguments: Dict[str, Any]) -> None:
        if not self._thread_route(arguments) or not self._dispatch(slot, arguments):
            self._fork(slot, arguments)

    def _thread_route(self, arguments: Dict[str, Any]) -> bool:
        task_vars, task, host = arguments["task_vars"], arguments["task"], arguments["host"]
        if not isinstance(task_vars, LazyTaskVars) or task_vars.changed or task_vars.task is not task or task_vars.host is not host:
            return False
        if task.action in self._fork_actions or task.debugger or task.async_val or task.timeout:
            return False
        penalty = self._penalty.get((host.name, task.connection))
        if penalty is not None:
            if time.monotonic() < penalty:
                return False
            del self._penalty[host.name, task.connection]
        return True

    def _dispatch(self, slot: Slot, arguments: Dict[str, Any]) -> bool:
        task_vars, task = arguments["task_vars"], arguments["task"]
        play, host = task_vars.play, arguments["host"]
        pool = self.pool
        if self._stale:
            if pool.in_flight():
                return False
            pool.recycle()
            self._stale = False
        if not pool.started:
            _work()
        try:
            context = pool.share(arguments["play_context"])
            number = pool.share(task)
            play_number = pool.share(play)
            self._share_state(play, play_number)
            worker = pool.worker_for(host.name)
        except (Unshippable, NoWorker) as exc:
            display.debug(f"mitopatch: fork route for {host.name}: {exc}")
            return False
        slot.worker_queue = ReplyQueue(lambda value: pool.reply(worker, job, value))
        flight = Flight(host.name, task, slot.done, lambda reason: self._handed_back(slot, arguments, reason), slot.crashed)
        job = pool.send_job(worker, task, (host.name, number, play_number, context, slot.worker_id), flight)
        self.slots += 1
        return True

    def _share_state(self, play: Any, play_number: int) -> None:
        strategy, tqm = self.strategy, self.tqm
        state = (
            play_number,
            tuple(strategy._hosts_cache),
            tuple(strategy._hosts_cache_all),
            tuple(play._removed_hosts),
            (tuple(tqm._failed_hosts), tuple(tqm._unreachable_hosts)),
        )
        roles = tuple(map(id, play.roles))
        if state == self.seam.state and roles == self._roles:
            return
        self.seam.state = state
        send_roles = self._roles and roles != self._roles
        self._roles = roles
        if self.pool.started:
            data = self.pool.registry.dump((state, list(play.roles) if send_roles else None))
            self.pool.broadcast(frames.STATE, data)

    def _handed_back(self, slot: Slot, arguments: Dict[str, Any], reason: str) -> None:
        # On the reading thread of a worker: only the main thread may fork.
        self._back.append((slot, arguments, reason))

    def _fork(self, slot: Slot, arguments: Dict[str, Any]) -> None:
        arguments = dict(arguments)
        if isinstance(arguments["task_vars"], LazyTaskVars):
            arguments["task_vars"] = arguments["task_vars"].copy()
        slot.take_fork(self.family.upstream_worker(self.upstream_worker, arguments))
        self.forks.append(slot)

    def service(self) -> None:
        """Fork what the workers handed back; raises what computing the variables raises, as upstream would."""
        while self._back:
            slot, arguments, reason = self._back.popleft()
            display.debug(f"mitopatch: fork route for {arguments['host'].name}: {reason}")
            if reason.startswith("connection"):
                self._penalty[arguments["host"].name, arguments["task"].connection] = time.monotonic() + CONNECTION_PENALTY
            self._fork(slot, arguments)

    # -- waiting --------------------------------------------------------------------------------------------------

    def sleep(self, seconds: float) -> bool:
        """Wait as ``runtime.wake`` describes; False to have upstream's own sleep."""
        if threading.get_ident() != self._main:
            return False
        self.service()
        if self.forks:
            self.forks = [slot for slot in self.forks if slot.is_alive()]
        if self.forks:
            # A forked worker's end is not announced to us: poll at upstream's pace, but let a result end the wait.
            self.wake.wait(max(seconds, 0.001))
        elif self.pool.in_flight():
            self.wake.wait(1.0)
        else:
            return False
        self.service()
        return True

    # -- the log of mutations -------------------------------------------------------------------------------------

    def log_host(self, host: str, method: str, args: Tuple[Any, ...]) -> None:
        """A mutation of one host's variables has happened: ``VariableManager.method(host, *args)``."""
        if not self.pool.started:
            return
        try:
            data = self.pool.registry.dump((method, args))
        except Unshippable:
            self._stale = True
            return
        self.pool.broadcast(frames.HOST_OPERATION, pickle.dumps((host, data), protocol=5))

    def log(self, anchor: Hashable, method: str, args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> None:
        """A mutation has happened: ``anchor.method(*args, **kwargs)``."""
        if not self.pool.started:
            return
        try:
            self.pool.broadcast(frames.OPERATION, self.pool.registry.dump((anchor, method, args, kwargs)))
        except Unshippable:
            self._stale = True

    def stale(self) -> None:
        """Something changed that the log does not carry: start the workers anew before the next task."""
        if self.pool.started:
            self._stale = True

    def end(self, quick: bool = False) -> None:
        """The run is over: end the workers."""
        global _current
        self.pool.stop(quick)
        if _current is self:
            _current = None


class _Waking(Deque[Any]):
    """The strategy's queue of results, which wakes the main thread."""

    def __init__(self, wake: Wake) -> None:
        super().__init__()
        self._wake = wake

    def append(self, item: Any) -> None:
        super().append(item)
        self._wake.set()


class Patches:
    """The functions that a bundle's declarations put in place, for one family of releases."""

    def __init__(self, kind: "family.Family") -> None:
        self.family = kind

    def session_of(self, tqm: Any) -> Session:
        """The session of this TaskQueueManager, made at its first strategy."""
        global _current
        if _current is None or _current.tqm is not tqm:
            if _current is not None:
                _current.end()
            _current = Session(tqm, self.family)
        return _current

    # StrategyBase.__init__(self, tqm)
    def strategy_init(self, wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        """Wrap: after upstream's own constructor, adopt the strategy."""
        result = wrapped(*args, **kwargs)
        self.session_of(instance._tqm).adopt(instance)
        return result

    # StrategyBase.add_tqm_variables(self, vars, play)
    def add_tqm_variables(self, wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        """Wrap: for lazy variables, later."""
        variables = args[0] if args else kwargs["vars"]
        if not isinstance(variables, LazyTaskVars):
            return wrapped(*args, **kwargs)
        play = args[1] if len(args) > 1 else kwargs["play"]
        variables.later(lambda computed: wrapped(computed, play))
        return None

    # StrategyBase._execute_meta(self, task, play_context, iterator, target_host)
    def execute_meta(self, wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        """Wrap: what ``meta`` changes in the controller has its counterpart in the worker."""
        task = args[0] if args else kwargs["task"]
        host = args[3] if len(args) > 3 else kwargs["target_host"]
        result = wrapped(*args, **kwargs)
        session = current()
        if session is not None and session.pool.started and task.args.get("_raw_params") == "reset_connection":
            number = session.pool.share(task)
            play = session.pool.share(args[2]._play if len(args) > 2 else kwargs["iterator"]._play)
            context = session.pool.share(args[1] if len(args) > 1 else kwargs["play_context"])
            session.pool.call(host.name, "reset_connection", (host.name, number, play, context))
        return result

    # TaskQueueManager.cleanup(self)
    def cleanup(self, wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        """Wrap: the end of a run, in order or by an exception."""
        session = _current
        try:
            if session is not None and session.tqm is instance:
                session.end(quick=bool(session.pool.in_flight()))
        finally:
            result = wrapped(*args, **kwargs)
        return result

    # ansible.plugins.strategy.WorkerProcess
    def worker_process(self, original: Any) -> Any:
        """Stand-in: what upstream constructs per host-task."""

        def new_worker(*args: Any, **kwargs: Any) -> Any:
            session = current()
            if session is None:
                return original(*args, **kwargs)
            session.upstream_worker = original
            return session.new_slot(args, kwargs)

        return new_worker

    # ansible.plugins.strategy.time, ansible.plugins.strategy.free.time
    def clock(self, original: Any) -> Any:
        """Stand-in: waits end when there is something to do."""

        def sleeper(seconds: float) -> bool:
            session = current()
            return session is not None and session.sleep(seconds)

        return Clock(sleeper)

    # VariableManager.set_host_facts / set_nonpersistent_facts / set_host_variable / clear_facts
    def host_mutator(self, method: str) -> Any:
        """Wrap: log a mutation of one host's variables after it has happened."""

        def wrapper(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
            result = wrapped(*args, **kwargs)
            session = current()
            if session is not None and session.seam.anchors["variables"] is instance:
                given = dict(zip(_HOST_PARAMETERS[method], args), **kwargs)
                values = [given[name] for name in _HOST_PARAMETERS[method]]
                session.log_host(str(values[0]), method, tuple(values[1:]))
            return result

        return wrapper

    def mutator(self, anchor: Hashable, method: str) -> Any:
        """Wrap: log a mutation of something that has a name on both sides."""

        def wrapper(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
            session = current()
            # Logged with the arguments as they were: upstream's add_dynamic_host writes into its second one.
            if session is not None and session.seam.anchors.get(anchor) is instance:
                session.log(anchor, method, args, kwargs)
            return wrapped(*args, **kwargs)

        return wrapper

    # PluginLoader.add_directory(self, directory, with_subdir=False)
    def add_directory(self, wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        """Wrap: a role or collection brings plugins."""
        session = current()
        if session is not None and session.pool.started:
            name = session.seam.name_of(instance)
            if name is not None:
                session.log(name, "add_directory", args, kwargs)
        with plugin_lock.held():
            plugin_lock.forget_paths()
            return wrapped(*args, **kwargs)

    # InventoryManager.refresh_inventory(self)
    def refresh_inventory(self, wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        """Wrap: not in the log; the workers start anew."""
        result = wrapped(*args, **kwargs)
        session = current()
        if session is not None:
            session.stale()
        return result

    # VariableManager.get_vars(self, ...)
    def get_vars(self, wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        """Wrap: in a worker, first apply what is known of that host, and hold off other mutations meanwhile."""
        replica = _replica
        if replica is None or replica.manager is not instance:
            return wrapped(*args, **kwargs)
        with replica.lock:
            host = kwargs.get("host") or (args[1] if len(args) > 1 else None)
            if host is not None:
                replica.settle(host.name)
            return wrapped(*args, **kwargs)


_HOST_PARAMETERS = {
    "set_host_facts": ("host", "facts"),
    "set_nonpersistent_facts": ("host", "facts"),
    "set_host_variable": ("host", "varname", "value"),
    "clear_facts": ("hostname",),
}

#: In a worker: its replica of the controller's variables.
_replica: Any = None


def become_replica(replica: Any) -> None:
    """[worker] From now on this process replays; it logs nothing itself."""
    global _replica, _current
    _replica = replica
    _current = None
