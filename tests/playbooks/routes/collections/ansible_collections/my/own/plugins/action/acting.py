from __future__ import annotations

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        inner = self._execute_module(module_name="my.own.collected", module_args=self._task.args, task_vars=task_vars)
        result.update(changed=True, inner=inner, action=self._task.action, resolved=self._task.resolved_action)
        return result
