"""[worker] What upstream's ssh plugin would start, asked of that plugin itself; see `mitopatch.targets.ssh_words`."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Optional

from ansible.module_utils.common.text.converters import to_text
from ansible.plugins.connection import ssh

from mitopatch.runtime.bounded import Bounded
from mitopatch.targets.ssh_words import description

#: Lines that are remembered, in each worker.
MOST = 10_000
#: What upstream's plugin asks for when it answers for ssh (``_init_shm``, from 2.19).
ASKED = ("password_mechanism", "password", "sshpass_prompt", "pkcs11_provider")


class Lines:
    """[worker] The lines of all connections of a worker, by the options of which they are made."""

    def __init__(self, family: Any, upstream_connection: Callable[[Any], Any]) -> None:
        """``upstream_connection`` makes of a connection of Mitogen's the upstream's one that it stands for."""
        self._family = family
        self._upstream_connection = upstream_connection
        self._lines: Bounded[tuple[Any, ...], dict[str, Any]] = Bounded(MOST)

    def of(self, connection: Any) -> dict[str, Any]:
        """Return the description of a connection of Mitogen's; raises what upstream's plugin raises."""
        context = connection._play_context
        options = connection._options
        key = (context.remote_addr, context.password, *options, *options.values())
        try:
            line = self._lines.get(key)
        except TypeError:  # an option that cannot be a key
            return self._ask(connection)
        if line is None:
            line = self._lines[key] = self._ask(connection)
        return line

    def _ask(self, connection: Any) -> dict[str, Any]:
        plugin = self._upstream_connection(connection)
        # As in its exec_command (2.11 to 2.21), for a command that is written to.
        plugin.host = plugin.get_option("host") or plugin._play_context.remote_addr
        password = plugin.get_option("password") or plugin._play_context.password
        try:
            words = [to_text(word) for word in plugin._build_command(plugin.get_option("ssh_executable"), "ssh", plugin.host)]
            words, sshpass = self._family.sshpass(plugin, words)
        finally:
            _close_pipe(plugin)  # for the password, which comes when the line is started: then there is another one
        return description(words, str(password) if password else None, sshpass, self._askpass(plugin, password))

    def _askpass(self, plugin: Any, password: Any) -> Optional[dict[str, Any]]:
        if self._family.askpass_end is None or plugin.get_option("password_mechanism") != "ssh_askpass":
            return None
        options = {name: plugin.get_option(name) for name in ASKED}
        return {**options, "password": password} if password or options["pkcs11_provider"] else None

    def ask(self, options: dict[str, Any]) -> tuple[dict[str, Any], Callable[[], Any]]:
        """Have upstream lay ready what it answers ssh with; return what to tell Popen, and how to take it away."""
        plugin = SimpleNamespace(get_option=options.__getitem__, _play_context=SimpleNamespace(password=None), shm=None, sshpass_pipe=None)
        end = getattr(ssh, self._family.askpass_end)(lambda _plugin: None)
        try:
            return ssh.Connection._init_shm(plugin), functools.partial(end, plugin)
        except BaseException:
            end(plugin)
            raise

    def reset(self, connection: Any) -> None:
        """Do what upstream's plugin does when a connection is reset: end the master that ssh has left behind."""
        plugin = self._upstream_connection(connection)
        build = plugin._build_command

        def build_and_close(*args: Any) -> Any:
            # Nobody writes to it here; upstream leaves it open, because its process is about to end.
            words = build(*args)
            _close_pipe(plugin)
            return words

        plugin._build_command = build_and_close
        plugin.reset()


def _close_pipe(plugin: Any) -> None:
    for descriptor in plugin.__dict__.pop("sshpass_pipe", None) or ():
        os.close(descriptor)


def before(words: list[str]) -> tuple[list[str], list[str]]:
    """Part ssh's words from those of sshpass before them. Source: ssh.Connection._build_command (2.11 to 2.20)."""
    if words[0] != "sshpass":
        return words, []
    count = 4 if words[2] == "-P" else 2
    return words[count:], words[:count]
