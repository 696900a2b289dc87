"""What an action plugin of a user may do to the process it runs in: in a fork it harms nobody."""

from __future__ import annotations

import os
import sys

from ansible.errors import AnsibleActionFail, AnsibleActionSkip, AnsibleError
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        result["changed"] = False
        return getattr(self, "do_" + self._task.args["do"])(result)

    def do_environ(self, result):
        os.environ["MISBEHAVED"] = "yes"
        result["pipe"] = os.popen("echo $MISBEHAVED").read()
        return result

    def do_chdir(self, result):
        os.chdir("/tmp")
        result["cwd"] = os.getcwd()
        return result

    def do_umask(self, result):
        result["umask"] = os.umask(0o077)
        return result

    def do_print(self, result):
        print("printed by", self._task.action)
        sys.stdout.flush()
        return result

    def do_stderr(self, result):
        sys.stderr.write(f"written by {self._task.action}\n")
        return result

    def do_raise(self, result):
        raise ValueError("raised by misbehave")

    def do_ansible_error(self, result):
        raise AnsibleError("an error of ansible")

    def do_action_fail(self, result):
        raise AnsibleActionFail("failed by misbehave", result={"more": 1})

    def do_skip(self, result):
        raise AnsibleActionSkip("skipped by misbehave")

    def do_return_none(self, result):
        return {}

    def do_unserializable(self, result):
        result["text"] = "a" * 10
        result["tuple"] = (1, 2)
        return result

    def do_exit(self, result):
        result["failed"] = True
        result["msg"] = "as if"
        return result

    def do_sysexit(self, result):
        result["rc"] = 3
        return result

    def do_facts(self, result):
        result["ansible_facts"] = {"from_action": self._task.action}
        return result
