"""A user's callback: says in which order events come, and how many seconds each task took (a figure that tests leave out)."""

from __future__ import annotations

import time

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: spy
type: aggregate
short_description: events in their order
description: A callback plugin of the user.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "spy"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self):
        super().__init__()
        self._task = None
        self._began = time.time()
        self._events = {}

    def _say(self, event, result):
        self._events.setdefault(result._host.get_name(), []).append(event)

    def _close(self):
        if self._task is not None:
            self._display.display(f"spy: {self._task} took {int(time.time() - self._began)} s")
            for host in sorted(self._events):
                self._display.display(f"spy: {host} {' '.join(self._events[host])}")
        self._events = {}

    def v2_playbook_on_task_start(self, task, is_conditional):
        self._close()
        self._task, self._began = task.get_name(), time.time()

    v2_playbook_on_handler_task_start = lambda self, task: self.v2_playbook_on_task_start(task, False)  # noqa: E731

    def v2_runner_on_start(self, host, task):
        self._events.setdefault(host.get_name(), []).append("start")

    def v2_runner_on_ok(self, result):
        self._say("ok", result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._say("failed", result)

    def v2_runner_on_skipped(self, result):
        self._say("skipped", result)

    def v2_runner_on_unreachable(self, result):
        self._say("unreachable", result)

    def v2_runner_item_on_ok(self, result):
        self._say("item_ok", result)

    def v2_runner_item_on_failed(self, result):
        self._say("item_failed", result)

    def v2_runner_item_on_skipped(self, result):
        self._say("item_skipped", result)

    def v2_runner_retry(self, result):
        self._say("retry", result)

    def v2_playbook_on_stats(self, stats):
        self._close()
        self._display.display(f"spy: {sorted(stats.processed)} {stats.summarize('n01')}")
