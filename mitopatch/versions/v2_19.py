"""[controller, worker] Family head 2.19: ansible-core 2.19 and 2.20.

Workers are constructed by keyword, leave the terminal, and run a task in an ambient context; results are wire objects.
"""

from __future__ import annotations

from typing import Any

from mitopatch.declare import Bundle
from mitopatch.versions.declarations import GET_VARS_219, WORKER_INIT, bundle_declarations
from mitopatch.versions.family import KeywordFamily
from mitopatch.versions.patches import Patches


class Family219(KeywordFamily):
    """See the module."""

    def send_unreachable(self, final_q: Any, host: Any, task: Any, message: str) -> None:
        # Source: WorkerProcess._run (2.19). Imported here: the declarations can be read where another release is installed.
        from ansible.executor.task_result import _RawTaskResult

        data = {"unreachable": True, "changed": False, "msg": message}
        final_q.send_task_result(_RawTaskResult(host=host, task=task, return_data=data, task_fields=task.dump_attrs()))

    def context(self, thread_worker: Any) -> Any:
        from ansible._internal import _task

        return _task.TaskContext(thread_worker._task)


FAMILY = Family219()


def declared(series: str) -> Bundle:
    """The bundle of 2.19 or 2.20: they differ in bodies only."""
    return Bundle(
        series,
        "2.19",
        bundle_declarations(
            series,
            Patches(FAMILY),
            worker_init=(*WORKER_INIT, "cliargs"),
            get_vars=GET_VARS_219,
            relies=("WorkerProcess._run", "WorkerProcess.run"),
            template_engine=True,
        ),
    )


BUNDLE = declared("2.19")
