from __future__ import annotations

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        inner = self._execute_module(module_name="brought", module_args=self._task.args, task_vars=task_vars)
        result.update(inner=inner["length"], changed=False, text=self._templar.template("{{ inventory_hostname }}"))
        return result
