#!/usr/bin/python
"""A module of the role, with module_utils of the role."""

from __future__ import annotations

import os

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.measures import area


def main():
    module = AnsibleModule(
        argument_spec={
            "width": {"type": "int", "required": True},
            "height": {"type": "int", "default": 2},
            "secret": {"type": "str", "no_log": True},
            "fail": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    if module.params["fail"]:
        module.fail_json(msg="asked to fail", width=module.params["width"])
    module.exit_json(
        changed=not module.check_mode,
        area=area(module.params["width"], module.params["height"]),
        remote_pid=os.getpid(),
    )


if __name__ == "__main__":
    main()
