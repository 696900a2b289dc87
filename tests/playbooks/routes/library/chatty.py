#!/usr/bin/python
from __future__ import annotations

import os
import signal
import sys

from ansible.module_utils.basic import AnsibleModule


def main():
    module = AnsibleModule({"how": {"type": "str"}}, supports_check_mode=True)
    how = module.params["how"]
    if how == "warnings":
        module.warn("warning of chatty: ü")
        module.exit_json(changed=False, warnings=["one more", "warning of chatty: ü"])
    if how == "junk_before":
        print("junk before")
        module.exit_json(changed=False)
    if how == "junk_after":
        print('{"changed": false, "a": 1}')
        print("junk after")
        sys.exit(0)
    if how == "stderr":
        sys.stderr.write("on standard error\n")
        module.exit_json(changed=False)
    if how == "invalid":
        print("no json { at all")
        sys.exit(0)
    if how == "empty":
        sys.exit(0)
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "exit_7":
        sys.stderr.write("seven\n")
        sys.exit(7)
    if how == "deprecations":
        module.deprecate("soon gone", version="9.9", collection_name="my.own")
        module.deprecate("gone one day", date="2099-01-01", collection_name="my.own")
        module.exit_json(changed=False, deprecations=[{"msg": "in the result", "version": "9.9"}])
    if how == "facts":
        module.exit_json(changed=False, ansible_facts={"chatty_fact": "ü", "ansible_python_interpreter_x": 1})
    if how == "diff":
        module.exit_json(changed=True, diff={"before": "a\nb\n", "after": "a\nc\n", "before_header": "old", "after_header": "new"})
    if how == "nothing":
        module.exit_json()
    if how == "huge":
        module.exit_json(changed=False, text="x" * 2000000)
    module.fail_json(msg="how? " + how, how=how)


if __name__ == "__main__":
    main()
