#!/usr/bin/python
"""A module of the role, with module_utils of the role."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.sizes import size


def main():
    module = AnsibleModule(argument_spec={"path": {"type": "path", "required": True}}, supports_check_mode=True)
    module.exit_json(changed=False, size=size(module.params["path"]))


if __name__ == "__main__":
    main()
