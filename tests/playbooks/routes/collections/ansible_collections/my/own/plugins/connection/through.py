from __future__ import annotations

from ansible.plugins.connection.local import Connection as Local

DOCUMENTATION = """
name: through
short_description: local with a variable
description: A connection that a collection brings.
"""


class Connection(Local):
    transport = "my.own.through"

    def exec_command(self, cmd, in_data=None, sudoable=True):
        return super().exec_command(f"OF_COLLECTION=yes; export OF_COLLECTION; {cmd}", in_data, sudoable)
