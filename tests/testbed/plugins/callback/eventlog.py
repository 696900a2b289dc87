"""Writes every event that Ansible reports to callbacks as one JSON line, with the whole result, nothing removed."""

from __future__ import annotations

import itertools
import json
import os
import threading
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: eventlog
type: notification
short_description: writes all v2 events as JSON lines
description: The test bed compares two runs by these lines.
requirements: [TESTBED_EVENTLOG names the file]
"""


class CallbackModule(CallbackBase):  # type: ignore[misc]  # Ansible has no types
    """Runs in the top process; events come from its main thread and from its results thread."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "eventlog"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lock = threading.Lock()
        # No other way to count forks is exact: the hook runs in the parent after each os.fork, and only there.
        # The counter itself is the hook: CPython 3.9 crashes at its end over a hook that holds on to a plugin.
        self._forks = itertools.count()
        os.register_at_fork(after_in_parent=self._forks.__next__)
        # Open for the life of the process, which is that of the plugin.
        self._stream = open(os.environ["TESTBED_EVENTLOG"], "a", encoding="utf-8")  # noqa: SIM115

    def _write(self, event: str, **fields: Any) -> None:
        fields["event"] = event
        line = json.dumps(fields, default=repr, sort_keys=True)
        with self._lock:
            self._stream.write(line + "\n")
            self._stream.flush()

    def _task(self, task: Any) -> dict[str, str]:
        return {"task": task.get_name(), "path": task.get_path() or "", "action": str(task.action)}

    def _result(self, event: str, result: Any, **more: Any) -> None:
        task = result._task
        self._write(
            event,
            host=result._host.get_name(),
            changed=bool(result.is_changed()),
            failed=bool(result.is_failed()),
            skipped=bool(result.is_skipped()),
            unreachable=bool(result.is_unreachable()),
            result=dict(result._result),
            **self._task(task),
            **more,
        )

    def v2_playbook_on_start(self, playbook: Any) -> None:
        self._write("playbook_start", playbook=os.path.basename(playbook._file_name))

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._write("play_start", play=play.get_name(), strategy=str(play.strategy), pid=os.getpid())

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._write("task_start", conditional=bool(is_conditional), **self._task(task))

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        self._write("handler_start", **self._task(task))

    def v2_playbook_on_notify(self, handler: Any, host: Any) -> None:
        self._write("notify", handler=handler.get_name(), host=host.get_name())

    def v2_playbook_on_no_hosts_matched(self) -> None:
        self._write("no_hosts_matched")

    def v2_playbook_on_no_hosts_remaining(self) -> None:
        self._write("no_hosts_remaining")

    def v2_playbook_on_include(self, included_file: Any) -> None:
        hosts = sorted(host.get_name() for host in included_file._hosts)
        self._write("include", file=str(included_file._filename), hosts=hosts)

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        self._write("start", host=host.get_name(), **self._task(task))

    def v2_runner_on_ok(self, result: Any) -> None:
        self._result("ok", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._result("failed", result, ignored=bool(ignore_errors))

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._result("skipped", result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._result("unreachable", result)

    def v2_runner_retry(self, result: Any) -> None:
        self._result("retry", result)

    def v2_runner_on_async_poll(self, result: Any) -> None:
        self._result("async_poll", result)

    def v2_runner_on_async_ok(self, result: Any) -> None:
        self._result("async_ok", result)

    def v2_runner_on_async_failed(self, result: Any) -> None:
        self._result("async_failed", result)

    def v2_runner_item_on_ok(self, result: Any) -> None:
        self._result("item_ok", result)

    def v2_runner_item_on_failed(self, result: Any) -> None:
        self._result("item_failed", result)

    def v2_runner_item_on_skipped(self, result: Any) -> None:
        self._result("item_skipped", result)

    def v2_on_file_diff(self, result: Any) -> None:
        self._result("file_diff", result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        summary = {host: stats.summarize(host) for host in sorted(stats.processed)}
        self._write("stats", hosts=summary, custom=stats.custom, forks=self._forks.__reduce__()[1][0], pid=os.getpid())
