"""Reports the process and the thread that run a task: one fork for each task, or a worker that stays."""

from __future__ import annotations

import os
import threading

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        result.update(changed=False, worker_pid=os.getpid(), worker_thread=threading.get_ident())
        result["host"] = task_vars["inventory_hostname"]
        return result
