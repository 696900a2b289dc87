"""An action that raises, with a secret in the text and in its frame."""

from __future__ import annotations

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        text = self._task.args["text"]
        raise RuntimeError(f"about {text}")
