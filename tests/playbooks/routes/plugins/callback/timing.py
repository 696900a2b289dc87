"""A user's callback in the manner of ansible.posix's timer and profile_tasks: it has seconds, and some methods by their oldest names."""

from __future__ import annotations

import time

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: timing
type: aggregate
short_description: how long everything took
description: A callback plugin of the user.
options:
  width:
    description: of a line
    type: int
    default: 60
    ini: [{section: callback_timing, key: width}]
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "timing"
    CALLBACK_NEEDS_WHITELIST = True

    def __init__(self):
        super().__init__()
        self._began = self._last = time.time()
        self._tasks = {}
        self._current = None

    def _turn(self, key, name):
        now = time.time()
        if self._current is not None:
            entry = self._tasks[self._current]
            entry[1] = now - entry[1]
        self._current = key
        if key is not None:
            self._tasks[key] = [name, now, []]
        self._display.display(f"timing: {time.strftime('%A %d %B %Y  %H:%M:%S')} ({now - self._last:.3f}) {now - self._began:.3f}")
        self._last = now

    def v2_playbook_on_task_start(self, task, is_conditional):
        self._turn(task._uuid, task.get_name())

    def v2_playbook_on_handler_task_start(self, task):
        self._turn(task._uuid, task.get_name())

    def v2_runner_on_ok(self, result):
        self._tasks[result._task._uuid][2].append(result._host.get_name())

    def playbook_on_stats(self, stats):
        self._turn(None, "")
        took, width = time.time() - self._began, self.get_option("width")
        for name, seconds, hosts in sorted(self._tasks.values(), key=lambda entry: entry[1], reverse=True):
            figure = f" {seconds:.2f}s"
            self._display.display(f"{name} {' '.join(sorted(hosts))} ".ljust(width - len(figure), "-") + figure)
        whole = sum(seconds for _, seconds, _ in self._tasks.values()) <= took
        hours, rest = divmod(int(took), 3600)
        self._display.display(f"Playbook run took {hours} hours, {rest // 60} minutes, {rest % 60} seconds, the whole of it: {whole}")
