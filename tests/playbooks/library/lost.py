#!/usr/bin/python
"""A module that cannot be imported."""

from __future__ import annotations

import a_module_that_nobody_has
from ansible.module_utils.basic import AnsibleModule

AnsibleModule(argument_spec={}).exit_json(name=a_module_that_nobody_has.__name__)
