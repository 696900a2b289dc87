"""A user's connection that runs each command in a shell, and says so."""

from __future__ import annotations

from ansible.plugins.connection.local import Connection as Local

DOCUMENTATION = """
name: relay
short_description: local, with a trace
description: A connection plugin of the user, beside the playbook.
options:
  trace:
    description: what the trace says
    default: unset
    vars: [{name: relay_trace}]
"""


class Connection(Local):
    transport = "relay"

    def exec_command(self, cmd, in_data=None, sudoable=True):
        return super().exec_command(f"RELAY='{self.get_option('trace')}'; export RELAY; {cmd}", in_data, sudoable)
