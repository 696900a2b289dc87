"""A user's vars plugin: each host and group is told its name."""

from __future__ import annotations

from ansible.inventory.host import Host
from ansible.plugins.vars import BaseVarsPlugin

DOCUMENTATION = """
name: told
short_description: names as variables
description: A vars plugin of the user.
options:
  stage:
    description: when it runs
    choices: [all, task, inventory]
    ini: [{key: stage, section: vars_told}]
"""


class VarsModule(BaseVarsPlugin):
    def get_vars(self, loader, path, entities):
        super().get_vars(loader, path, entities)
        found = {}
        for entity in entities if isinstance(entities, list) else [entities]:
            kind = "host" if isinstance(entity, Host) else "group"
            found[f"told_{kind}"] = f"{kind} {entity.name}"
        return found
