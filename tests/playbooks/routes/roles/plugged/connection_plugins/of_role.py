from __future__ import annotations

from ansible.plugins.connection.local import Connection as Local

DOCUMENTATION = """
name: of_role
short_description: local with a variable
description: A connection that a role brings.
"""


class Connection(Local):
    transport = "of_role"

    def exec_command(self, cmd, in_data=None, sudoable=True):
        return super().exec_command(f"OF_ROLE=yes; export OF_ROLE; {cmd}", in_data, sudoable)
