#!/usr/bin/python
from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule


def main():
    module = AnsibleModule(
        {
            "password": {"type": "str", "no_log": True},
            "shown": {"type": "str"},
            "fail": {"type": "bool", "default": False},
        }
    )
    facts = {"said": module.params["password"], "shown": module.params["shown"]}
    if module.params["fail"]:
        module.fail_json(msg="failed with " + module.params["password"], **facts)
    module.exit_json(changed=False, **facts)


if __name__ == "__main__":
    main()
