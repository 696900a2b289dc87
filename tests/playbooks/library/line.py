#!/usr/bin/env python3
"""A module whose first line names another interpreter than the inventory does."""

from __future__ import annotations

import os
import sys

from ansible.module_utils.basic import AnsibleModule

AnsibleModule(argument_spec={}).exit_json(executable=sys.executable, isolated=sys.flags.isolated, home="HOME" in os.environ)
