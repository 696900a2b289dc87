"""[controller, worker] What differs between families of ansible-core releases for the engine, as one small interface."""

from __future__ import annotations

import abc
from collections.abc import Hashable
from typing import Any, Optional

from mitopatch.versions import copies, streams


class Family(abc.ABC):
    """Implemented once per family head (``v2_11``, ``v2_15``, ``v2_19``, ``v2_21``)."""

    #: Whether each process of upstream's keeps book of the warnings it has shown (see `warned`).
    keeps_books = False
    #: The module that words the exceptions of modules on the target; none where the interpreter's traceback is all there is.
    module_loader: Optional[str] = None
    #: The package in which AnsiballZ puts modules that belong to none.
    nameless_modules = "ansible.modules"

    @abc.abstractmethod
    def upstream_worker(self, original: Any, arguments: dict[str, Any]) -> Any:
        """[controller] Construct upstream's own WorkerProcess."""

    @abc.abstractmethod
    def send_unreachable(self, final_q: Any, host: Any, task: Any, message: str) -> None:
        """[controller] Put the result of a host-task whose worker died on the final queue."""

    @abc.abstractmethod
    def run(self, thread_worker: Any) -> None:
        """[worker] Run a task on this thread, in the surroundings that ``WorkerProcess.run`` gives it."""

    def fact_cache(self, manager: Any, overlay: Any) -> None:
        """[worker] Put ``overlay(plugin)`` in place of the variable manager's fact cache plugin."""
        manager._fact_cache = overlay(manager._fact_cache)

    def templar(self, loader: Any, variables: dict[str, Any]) -> Any:
        """[worker] The templating engine over some variables."""
        from ansible.template import Templar

        return Templar(loader=loader, variables=variables)

    def start(self, worker: Any) -> None:  # noqa: B027 - most families do nothing
        """[worker] What a worker of this family does once, before its first task."""

    def own_task(self, task: Any) -> Any:
        """[worker] A copy of a squashed task for one host."""
        return copies.own_task(task)

    def anchors(self, tqm: Any) -> dict[Hashable, Any]:
        """[controller] What only this family has on both sides, for the log of mutations."""
        return {}


class PositionalFamily(Family):
    """Up to 2.18: workers are constructed by position; results are TaskResult objects that hold a dictionary."""

    keeps_books = True
    parameters: tuple[str, ...] = (
        "final_q", "task_vars", "host", "task", "play_context", "loader", "variable_manager", "shared_loader_obj", "worker_id",
    )  # fmt: skip

    def upstream_worker(self, original: Any, arguments: dict[str, Any]) -> Any:
        return original(*(arguments[name] for name in self.parameters))

    def send_unreachable(self, final_q: Any, host: Any, task: Any, message: str) -> None:
        # Source: WorkerProcess._run on AnsibleConnectionFailure (2.11 to 2.18).
        final_q.send_task_result(
            host.name, task._uuid, {"unreachable": True, "changed": False, "msg": message}, task_fields=task.dump_attrs()
        )

    def run(self, thread_worker: Any) -> None:
        thread_worker._run()

    def fact_cache(self, manager: Any, overlay: Any) -> None:
        # FactCache (2.11 to 2.18) holds the plugin; where the plugin could not be loaded there is a plain dictionary.
        cache = manager._fact_cache
        if hasattr(cache, "_plugin"):
            cache._plugin = overlay(cache._plugin)


class KeywordFamily(Family):
    """From 2.19: workers are constructed by keyword, leave the terminal, and run a task in an ambient context."""

    module_loader = "ansible.module_utils._internal._ansiballz._loader"
    nameless_modules = "ansible.legacy"

    def upstream_worker(self, original: Any, arguments: dict[str, Any]) -> Any:
        return original(**arguments)

    def templar(self, loader: Any, variables: dict[str, Any]) -> Any:
        # Templar warns of what ansible_mitogen reads of it when it resets a connection.
        from ansible._internal._templating._engine import TemplateEngine

        return TemplateEngine(loader=loader, variables=variables)

    def start(self, worker: Any) -> None:
        streams.detach()

    def run(self, thread_worker: Any) -> None:
        streams.begin()
        with self.context(thread_worker):
            thread_worker._run()

    @abc.abstractmethod
    def context(self, thread_worker: Any) -> Any:
        """[worker] The ambient context of a task (``WorkerProcess.run``)."""
