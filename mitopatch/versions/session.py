"""[controller] One run: the strategy at work, its pool, the route of each host-task, and the log of mutations.

One ``Session`` lives per TaskQueueManager (a run of ansible-playbook, a command of ansible-console).
"""

from __future__ import annotations

import collections
import pickle  # nosec B403 # between our own processes
import threading
import time
from collections.abc import Hashable, Iterable
from typing import Any, Optional

from ansible import constants, context
from ansible.utils.display import Display

from mitopatch.runtime import frames, rest, settings
from mitopatch.runtime.child import VARIABLES
from mitopatch.runtime.objects import Unshippable
from mitopatch.runtime.pool import Flight, NoWorker, Pool
from mitopatch.runtime.slot import ReplyQueue, Slot
from mitopatch.runtime.wake import LONGEST, Wake
from mitopatch.versions import check, localhost, replay
from mitopatch.versions.controller import NO_STATE, Controller, work
from mitopatch.versions.family import Family, PositionalFamily
from mitopatch.versions.lazy import LazyTaskVars, LazyVariables

display = Display()

#: How a task names the connection to this machine.
LOCAL = frozenset({"local", "ansible.builtin.local", "ansible.legacy.local"})

#: Seconds for which a host whose connection Mitogen could not make takes the fork route.
CONNECTION_PENALTY = 20.0

#: After so many failures of workers to compute variables, without a result between, no worker is started any more.
MOST_DOUBTS = 3

_current: Optional[Session] = None


def current() -> Optional[Session]:
    """The session of the run in progress in this process, if any; a worker, a fork of the controller, only replays."""
    return None if replay.replica() is not None else _current


def session_of(tqm: Any, kind: Family) -> Session:
    """The session of this TaskQueueManager, made at its first strategy."""
    global _current
    if _current is None or _current.tqm is not tqm:
        if _current is not None:
            _current.end()
        _current = Session(tqm, kind)
    return _current


class Session:
    """One run: from the first strategy of a TaskQueueManager to its cleanup."""

    def __init__(self, tqm: Any, kind: Family) -> None:
        self.tqm = tqm
        self.family = kind
        self.wake = Wake()
        self.seam = Controller(tqm, kind)
        self.pool = Pool(self.seam, self.wake)
        self.strategy: Any = None
        self.upstream_worker: Any = None
        self._back: collections.deque[tuple[Slot, dict[str, Any], str]] = collections.deque()
        self._stale = False
        #: How often in a row workers could not compute variables, and how many results they had sent before.
        self._doubts, self._results_at_doubt = 0, 0
        #: The play's roles as the workers know them; None until they have the play.
        self._roles: Optional[tuple[int, ...]] = None
        self._fork_actions = settings.fork_actions()
        #: The user wants the files of modules, and reads at -vvv in upstream's lines where they are.
        self._fork_all = bool(constants.DEFAULT_KEEP_REMOTE_FILES)
        #: Whether no host-task has come yet.
        self._fresh = True
        self._strikes: dict[tuple[str, Any], int] = {}
        self._penalty: dict[tuple[str, Any], float] = {}
        self._main = threading.get_ident()
        self.forks: list[Slot] = []
        #: Host and facts of the last call of set_host_facts.
        self._last_facts: tuple[str, Any] = ("", None)
        rest.while_reading(tqm._final_q)
        #: Under MITOPATCH_CHECK: what compares the workers' variables with ours.
        self.watch = check.Watch(self.seam.checker) if self.seam.checker is not None else None

    # -- the strategy ---------------------------------------------------------------------------------------------

    def adopt(self, strategy: Any) -> None:
        """Take over a freshly made strategy of this run: its results wake us, its variables come lazily."""
        self.strategy = strategy
        # A new play: its tasks are new objects. A run of many plays or batches must not keep those of all of them.
        self.pool.forget_objects()
        self.seam.state, self._roles = NO_STATE, None
        strategy._results = self._results()
        if hasattr(strategy, "_handler_results"):  # 2.11 to 2.13: a handler's results have a queue of their own
            strategy._handler_results = self._results()
        strategy._variable_manager = LazyVariables(strategy._variable_manager, lambda task: strategy.debugger_active or _is_told(task))
        rpc = getattr(strategy, "_rpc_queue", None)
        if rpc is not None:
            # Upstream's main thread serves it between its sleeps (2.21); a request must end the sleep.
            put = rpc.put

            def waking_put(*args: Any, **kwargs: Any) -> None:
                put(*args, **kwargs)
                self.wake.set()

            rpc.put = waking_put

    def _results(self) -> _Waking:
        return _Waking(self.wake) if self.watch is None else _Checked(self.wake, self.watch)

    def new_slot(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Slot:
        """What upstream gets for ``WorkerProcess(...)``."""
        arguments = {**dict(zip(PositionalFamily.parameters, args)), **kwargs}
        arguments["variable_manager"] = getattr(arguments["variable_manager"], "manager", arguments["variable_manager"])
        return Slot(lambda slot: self._start(slot, arguments), arguments.get("worker_id", 0), arguments["task"])

    # -- routes ---------------------------------------------------------------------------------------------------

    def _start(self, slot: Slot, arguments: dict[str, Any]) -> None:
        fresh, self._fresh = self._fresh, False
        if (fresh and self._alone(arguments)) or not self._thread_route(arguments) or not self._dispatch(slot, arguments):
            self._fork(slot, arguments)

    def _thread_route(self, arguments: dict[str, Any]) -> bool:
        task_vars, task, host = arguments["task_vars"], arguments["task"], arguments["host"]
        if not isinstance(task_vars, LazyTaskVars) or task_vars.changed or task_vars.task is not task or task_vars.host is not host:
            return False
        if self._fork_all or task.action in self._fork_actions or task.debugger or task.async_val or task.timeout:
            return False
        penalty = self._penalty.get((host.name, task.connection))
        if penalty is not None:
            if time.monotonic() < penalty:
                return False
            del self._penalty[host.name, task.connection]
        return True

    def _alone(self, arguments: dict[str, Any]) -> bool:
        """Whether this is all of an ad-hoc command for this machine: one fork costs less than a worker and its interpreter."""
        if "module_name" not in context.CLIARGS or len(self.strategy._hosts_cache) != 1:
            return False
        named = arguments["task_vars"].get("ansible_connection")
        return (named or arguments["task"].connection) in LOCAL

    def _dispatch(self, slot: Slot, arguments: dict[str, Any]) -> bool:
        task_vars, task = arguments["task_vars"], arguments["task"]
        play, host = task_vars.play, arguments["host"]
        pool = self.pool
        if self._stale:
            if pool.in_flight():
                return False
            pool.recycle()
            self._stale = False
        if not pool.started and not self._can_work():
            return False
        try:
            play_context = pool.share(arguments["play_context"])
            number = pool.share(task)
            play_number = pool.share(play)
            self._share_state(play, play_number)
            self._share_books()
            worker = pool.worker_for(host.name)
        except (Unshippable, NoWorker) as exc:
            display.debug(f"mitopatch: fork route for {host.name}: {exc}")
            return False
        slot.worker_queue = ReplyQueue(lambda value: pool.reply(worker, job, value))
        flight = Flight(host.name, task, slot.done, lambda reason: self._handed_back(slot, arguments, reason), slot.crashed)
        if self.watch is not None:
            digests = self.watch.checker.digests(task_vars.anew(), task, arguments["play_context"])
            flight.compare = self.watch.comparison(host.name, task, digests)
        job = pool.send_job(worker, task, (host.name, number, play_number, play_context, slot.worker_id), flight)
        return True

    def _can_work(self) -> bool:
        try:
            work()
        except Exception as exc:  # whatever a broken installation of Mitogen raises when it is imported
            self.pool.give_up(f"{type(exc).__name__}: {exc}")
            return False
        return True

    def _share_state(self, play: Any, play_number: int) -> None:
        strategy, tqm = self.strategy, self.tqm
        state = (
            play_number,
            tuple(strategy._hosts_cache),
            tuple(strategy._hosts_cache_all),
            tuple(play._removed_hosts),
            (tuple(tqm._failed_hosts), tuple(tqm._unreachable_hosts)),
            localhost.implicit(strategy._inventory),
        )
        roles = tuple(map(id, play.roles))
        if state == self.seam.state and roles == self._roles:
            return
        self.know_facts(strategy._hosts_cache_all)
        self.seam.state = state
        send_roles = self._roles is not None and roles != self._roles
        self._roles = roles
        if self.pool.started:
            data = self.pool.registry.dump((state, list(play.roles) if send_roles else None))
            self.pool.broadcast(frames.STATE, data)

    def _share_books(self) -> None:
        news = self.seam.books.news() if self.seam.books is not None else []
        if news:
            self.log("books", "add", (news,), {})

    def _handed_back(self, slot: Slot, arguments: dict[str, Any], reason: str) -> None:
        # On the reading thread of a worker: only the main thread may fork.
        self._back.append((slot, arguments, reason))

    def _fork(self, slot: Slot, arguments: dict[str, Any]) -> None:
        arguments = dict(arguments)
        if isinstance(arguments["task_vars"], LazyTaskVars):
            arguments["task_vars"] = arguments["task_vars"].copy()
        slot.take_fork(self.family.upstream_worker(self.upstream_worker, arguments))
        self.forks.append(slot)

    def service(self) -> None:
        """Fork what the workers handed back; raises what computing the variables raises, as upstream would."""
        if self.watch is not None:
            self.watch.stop()
        while self._back:
            slot, arguments, reason = self._back.popleft()
            display.debug(f"mitopatch: fork route for {arguments['host'].name}: {reason}")
            if self.watch is not None and reason.startswith(VARIABLES) and not self._stale:  # we could compute them
                self.watch.report(arguments["host"].name, arguments["task"], reason)
            if reason.startswith("connection"):
                key = (arguments["host"].name, arguments["task"].connection)
                self._strikes[key] = self._strikes.get(key, 0) + 1
                # An attempt to connect may take long; a connection of another kind may have been this one task's only.
                if reason == "connection failed" or self._strikes[key] > 1:
                    self._penalty[key] = time.monotonic() + CONNECTION_PENALTY
            self._fork(slot, arguments)
            if reason.startswith(VARIABLES):  # nor has that failed here: the worker's replica is not what it should be
                self._doubt(reason)

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
            self.wake.wait(LONGEST)
        else:
            return False
        self.service()
        return True

    # -- the log of mutations -------------------------------------------------------------------------------------

    def log_host(self, host: str, method: str, args: tuple[Any, ...]) -> None:
        """A mutation of one host's variables has happened: ``VariableManager.method(host, *args)``."""
        if not self.pool.started:
            return
        if method == "set_host_facts":
            (first, facts), self._last_facts = self._last_facts, (host, args[0])
            if facts is args[0] and first != host:
                self.pool.broadcast(frames.CALL, pickle.dumps(("alias", (host, first, method)), protocol=5))
                return
        try:
            data = self.pool.registry.dump((method, args))
        except Unshippable:
            self._stale = True
            return
        self.pool.hold(frames.HOST_OPERATION, pickle.dumps((host, data), protocol=5))

    def know_facts(self, hosts: Iterable[str]) -> None:
        """Tell the workers what the fact cache has of these hosts, before it changes."""
        cached = self.seam.further_facts(hosts) if self.pool.started else None
        if cached is not None:
            self.log("fact cache", "know", (cached,), {})

    def log(self, anchor: Hashable, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """A mutation has happened: ``anchor.method(*args, **kwargs)``."""
        if not self.pool.started:
            return
        try:
            self.pool.broadcast(frames.OPERATION, self.pool.registry.dump((anchor, method, args, kwargs)))
        except Unshippable:
            self._stale = True

    def _doubt(self, reason: str) -> None:
        if self._stale:
            return
        if self.pool.results != self._results_at_doubt:
            self._doubts, self._results_at_doubt = 0, self.pool.results
        self._doubts += 1
        if self._doubts >= MOST_DOUBTS:  # new workers cannot do it either, and to start them for each task takes longer than to fork
            self.pool.give_up(reason, "MP204")
        self.stale()

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


def _is_told(task: Any) -> bool:
    """With ANSIBLE_DEBUG each computation of variables is told: for a task of ``meta``, which no worker runs, here or never."""
    return bool(constants.DEFAULT_DEBUG) and task.action in constants._ACTION_META


class _Waking(collections.deque[Any]):
    """The strategy's queue of results, which wakes the main thread."""

    def __init__(self, wake: Wake) -> None:
        super().__init__()
        self._wake = wake

    def append(self, item: Any) -> None:
        super().append(item)
        self._wake.set()


class _Checked(_Waking):
    """The same under MITOPATCH_CHECK: no result is looked at after a difference was found.

    A worker sends its digests before the result of the same job, and one thread reads both: so they have been compared.
    """

    def __init__(self, wake: Wake, watch: check.Watch) -> None:
        super().__init__(wake)
        self._watch = watch

    def popleft(self) -> Any:
        self._watch.stop()
        return super().popleft()
