"""[controller] The functions that the bundles' declarations put around or in place of upstream's."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from mitopatch.runtime.wake import Clock
from mitopatch.versions import plugin_lock, replay
from mitopatch.versions.family import Family
from mitopatch.versions.lazy import LazyTaskVars
from mitopatch.versions.session import current, session_of

#: The mutators of one host's variables, and their parameters.
HOST_PARAMETERS = {
    "set_host_facts": ("host", "facts"),
    "set_nonpersistent_facts": ("host", "facts"),
    "set_host_variable": ("host", "varname", "value"),
    "clear_facts": ("hostname",),
}
#: Those that write to the fact cache.
CACHED = ("set_host_facts", "clear_facts")


class Patches:
    """The functions that a bundle's declarations put in place, for one family of releases."""

    def __init__(self, kind: Family) -> None:
        self.family = kind

    # StrategyBase.__init__(self, tqm)
    def strategy_init(self, wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        """Wrap: after upstream's own constructor, adopt the strategy."""
        result = wrapped(*args, **kwargs)
        session_of(instance._tqm, self.family).adopt(instance)
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

    # TemplateEngine.__init__(self, loader, variables, variables_factory, marker_behavior), from 2.19
    @staticmethod
    def template_engine_init(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        """Wrap: upstream's templating takes plain dictionaries only, and has a way of its own to be lazy."""
        names = ("loader", "variables", "variables_factory", "marker_behavior")
        given = {**dict(zip(names, args)), **kwargs}
        variables = given.get("variables")
        if isinstance(variables, LazyTaskVars):
            del given["variables"]
            given["variables_factory"] = variables.copy
        return wrapped(**given)

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
        session = current()
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
            session = current()
            if session is None or session.seam.anchors["variables"] is not instance:
                return wrapped(*args, **kwargs)
            given = dict(zip(HOST_PARAMETERS[method], args), **kwargs)
            host, *values = (given[name] for name in HOST_PARAMETERS[method])
            if method in CACHED:
                session.know_facts([str(host)])
            result = wrapped(*args, **kwargs)
            session.log_host(str(host), method, tuple(values))
            return result

        return wrapper

    def mutator(self, anchor: Hashable, method: str) -> Any:
        """Wrap: log a mutation of something that has a name on both sides."""

        def wrapper(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
            session = current()
            # Logged with the arguments as they were: upstream's add_dynamic_host writes into its second one.
            if session is not None and session.seam.anchors.get(anchor) is instance:
                session.log(anchor, method, args, kwargs)
            return _carried_out(session, wrapped, args, kwargs)

        return wrapper

    # StrategyBase._add_host(self, host_info, result_item), _add_group(self, host, result_item), 2.11 to 2.13
    def addition(self, method: str) -> Any:
        """Wrap: log what the strategy itself adds to the inventory."""

        def wrapper(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
            session = current()
            # Logged with the arguments as they were: upstream writes into the second one.
            if session is not None and session.tqm is getattr(instance, "_tqm", None):
                session.log("adder", method, args, kwargs)
            return _carried_out(session, wrapped, args, kwargs)

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
        replica = replay.replica()
        if replica is None or replica.manager is not instance:
            return wrapped(*args, **kwargs)
        with replica.lock:
            host = kwargs.get("host") or (args[1] if len(args) > 1 else None)
            if host is not None:
                replica.settle(host.name)
            if not args and kwargs == {"host": host, "include_hostvars": False}:  # HostVars.raw_get
                return replica.hostvars(host, lambda: wrapped(**kwargs))
            return wrapped(*args, **kwargs)


def _carried_out(session: Any, wrapped: Any, args: Any, kwargs: Any) -> Any:
    try:
        return wrapped(*args, **kwargs)
    except BaseException:
        # It fails in the workers too. From 2.21 the run goes on: with workers that have what is left of it here.
        if session is not None:
            session.stale()
        raise
