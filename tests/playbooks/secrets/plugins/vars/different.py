"""A vars plugin whose answer is another one in each process: MITOPATCH_CHECK must report it by name, and never by value."""

from __future__ import annotations

import os

from ansible.plugins.vars import BaseVarsPlugin

DOCUMENTATION = """
name: different
short_description: another answer in each process
description: another answer in each process
options: {}
"""


class VarsModule(BaseVarsPlugin):
    REQUIRES_ENABLED = False
    REQUIRES_WHITELIST = False

    def get_vars(self, loader, path, entities, cache=True):
        super().get_vars(loader, path, entities)
        with open(os.environ["TESTBED_DIFFERENT"], encoding="utf-8") as stream:
            secret = stream.read().strip()
        return {"different": f"{secret}{os.getpid()}", "different_list": [secret, os.getpid()]}
