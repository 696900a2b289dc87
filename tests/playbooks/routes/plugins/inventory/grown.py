"""A user's inventory plugin: reads names, and makes local hosts of them."""

from __future__ import annotations

from ansible.plugins.inventory import BaseInventoryPlugin, Constructable

DOCUMENTATION = """
name: grown
short_description: hosts by name
description: An inventory plugin of the user.
extends_documentation_fragment: [constructed]
options:
  plugin: {description: name of it, required: true, choices: [grown]}
  names: {description: of hosts, type: list, elements: str, default: []}
"""


class InventoryModule(BaseInventoryPlugin, Constructable):
    NAME = "grown"

    def verify_file(self, path):
        return super().verify_file(path) and path.endswith("grown.yml")

    def parse(self, inventory, loader, path, cache=True):
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        for name in self.get_option("names"):
            self.inventory.add_host(name)
            self.inventory.set_variable(name, "ansible_connection", "local")
            self.inventory.set_variable(name, "word", f"ü {name}")
            given = self.inventory.get_host(name).get_vars()
            self._set_composite_vars(self.get_option("compose"), given, name)
            self._add_host_to_composed_groups(self.get_option("groups"), given, name)
            self._add_host_to_keyed_groups(self.get_option("keyed_groups"), given, name)
