#!/usr/bin/python
"""A module that asks to be started again by another interpreter."""

from __future__ import annotations

import sys

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.respawn import has_respawned, respawn_module


def main():
    module = AnsibleModule(argument_spec={"interpreter": {"type": "path", "required": True}})
    if not has_respawned():
        respawn_module(module.params["interpreter"])
    module.exit_json(again=has_respawned(), executable=sys.executable)


if __name__ == "__main__":
    main()
