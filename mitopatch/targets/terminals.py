"""[worker] Which commands and modules upstream's ssh plugin gives a terminal: all that it does not write to, unless it is told not to.

There errors come with the output, in their order and with carriage returns, and ssh has a last word.
"""

from __future__ import annotations

from typing import Any

#: Names under which connections are ssh's.
SSH = ("ssh", "smart")


def given(connection: Any) -> bool:
    """Whether upstream's plugin would give a command a terminal to which it writes nothing, over this connection."""
    if connection.transport not in SSH:
        return False
    try:
        return bool(connection.get_option("use_tty"))
    except KeyError:
        return True  # its default


def last_words(connection: Any) -> str:
    """What ssh then says when the command has ended."""
    return f"Shared connection to {connection._play_context.remote_addr} closed.\r\n"
