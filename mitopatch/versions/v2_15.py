"""[controller, worker] Family head 2.15: ansible-core 2.15 to 2.18, and with its own differences 2.14."""

from __future__ import annotations

from typing import Any

from mitopatch.versions.family import Family
from mitopatch.versions.session import WORKER_PARAMETERS


class Family215(Family):
    """One WorkerProcess with positional parameters; results are TaskResult objects that hold a dictionary."""

    parameters: tuple[str, ...] = WORKER_PARAMETERS

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


FAMILY = Family215()
