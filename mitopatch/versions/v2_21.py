"""[controller, worker] Family head 2.21: ansible-core 2.21.

Results are UnifiedTaskResult objects, the ambient context carries task and variables, and workers make RPC to the controller.
"""

from __future__ import annotations

from typing import Any

from mitopatch.declare import Bundle
from mitopatch.runtime.seam import HandBack
from mitopatch.versions.declarations import GET_VARS_219, WORKER_INIT, bundle_declarations
from mitopatch.versions.family import KeywordFamily
from mitopatch.versions.patches import Patches


class Family221(KeywordFamily):
    """See the module."""

    #: Whether the workers of this run have a session of their own, where no variable says otherwise.
    _isolated = True
    askpass_end = "_clean_resources"

    def sshpass(self, plugin: Any, words: list[str]) -> tuple[list[str], list[str]]:
        return words, [word.decode() for word in plugin._sshpass_cmd()]

    def start(self, worker: Any) -> None:
        from ansible import constants

        super().start(worker)
        self._isolated = constants.config.get_config_value("WORKER_SESSION_ISOLATION")

    def run(self, thread_worker: Any) -> None:
        if self._wants_terminal(thread_worker._task_vars):
            raise HandBack("worker_session_isolation")
        super().run(thread_worker)

    def _wants_terminal(self, variables: dict[str, Any]) -> bool:
        # Source: WorkerProcess._detach (2.21). Our workers have left the terminal, so upstream's must run the task.
        from ansible import constants

        if "ansible_worker_session_isolation" not in variables:
            return not self._isolated
        try:
            return not constants.config.get_config_value("WORKER_SESSION_ISOLATION", variables=variables)
        except Exception:  # no boolean: upstream's worker says so
            return True

    def send_unreachable(self, final_q: Any, host: Any, task: Any, message: str) -> None:
        # Source: WorkerProcess._run (2.21). Imported here: the declarations can be read where another release is installed.
        from ansible._internal import _task

        with _task.TaskContext.create(task=task, task_vars={}, host_name=host.name):
            with _task.UnifiedTaskResult.create_and_record({"unreachable": True, "changed": False, "msg": message}) as result:
                pass
            result.finalize_registered_values()
        final_q.send_task_result(host, task, result)

    def context(self, thread_worker: Any) -> Any:
        from ansible._internal import _task

        return _task.TaskContext.create(task=thread_worker._task, task_vars=thread_worker._task_vars, host_name=thread_worker._host.name)


FAMILY = Family221()


def declared(series: str) -> Bundle:
    """The bundle of 2.21, or of a later series that differs in bodies only."""
    return Bundle(
        series,
        "2.21",
        bundle_declarations(
            series,
            Patches(FAMILY),
            worker_init=(*WORKER_INIT, "cliargs"),
            get_vars=GET_VARS_219,
            add_dynamic_host=("self", "host_info", "already_in_cache"),
            add_dynamic_group=("self", "host_name", "group_info", "already_in_cache"),
            relies=("WorkerProcess._run", "WorkerProcess.run"),
            detaches=True,
            template_engine=True,
        ),
    )


BUNDLE = declared("2.21")
