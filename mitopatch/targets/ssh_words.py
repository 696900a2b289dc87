"""[worker] ssh is started with the words of upstream's own ssh plugin, and is told a password in upstream's own way.

Mitogen's plugin has options of its own, which stand before those of the user: with them ssh would not look at known hosts where
``host_key_checking`` is off, and would keep a dead link for five minutes. It also types the password at a terminal that it watches.
Here upstream's plugin says what it would start for a command without a terminal, and the description of a connection carries that:
tasks whose lines are equal share a connection, and no others. docs/security.md names the exceptions.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from typing import Any, Callable, Optional

import mitopatch.targets.release  # noqa: F401 - before ansible_mitogen

import ansible_mitogen.connection
import mitogen.core
import mitogen.parent
import mitogen.ssh

from mitopatch.targets import bringup, terminals

#: Under this name a connection's description asks the router for such a connection.
METHOD = "ssh_of_upstream"
#: A terminal, which the user's own words may ask for, would change the bytes of Mitogen's stream.
NO_TERMINAL = "-T"
#: ssh in a worker has no terminal: it must not ask in a window instead, because the fork of plain Ansible asks at the terminal.
#: From OpenSSH 8.4.
ASKS = "SSH_ASKPASS_REQUIRE"

#: [worker] Starts upstream's way of answering for ssh: what to tell Popen, and what to call when ssh has connected or failed.
Ask = Callable[[dict[str, Any]], tuple[dict[str, Any], Callable[[], Any]]]


def description(
    words: Sequence[str], password: Optional[str] = None, sshpass: Sequence[str] = (), askpass: Optional[dict[str, Any]] = None
) -> dict[str, Any]:
    """[worker] Return what upstream's plugin would start as a part of ansible_mitogen's description of a connection.

    ``words``: the program and its arguments, with the host at the end, for a command that gets no terminal. ``sshpass``: the words
    that come before if it is used; one of them names the descriptor of the password (``-d7``). ``askpass``: the options by
    which upstream answers for ssh (SSH_ASKPASS), if it does.
    """
    *first, host = words
    return {
        "words": shlex.join([*first, NO_TERMINAL, host]),
        "password": None if password is None else mitogen.core.Secret(password),
        "sshpass": shlex.join(sshpass),
        "askpass": askpass,
    }


class Options(mitogen.ssh.Options):  # type: ignore[misc]
    """[worker] Mitogen's options of a connection over ssh, and those of a `description`."""

    def __init__(self, words: str, sshpass: str = "", askpass: Optional[dict[str, Any]] = None, **others: Any) -> None:
        super().__init__(**others)
        self.words = shlex.split(words)
        self.sshpass = shlex.split(sshpass)
        self.askpass = askpass


class Connection(mitogen.ssh.Connection):  # type: ignore[misc]
    """[worker] A connection over ssh as upstream starts it. Methods without another remark run on the broker's thread."""

    options_class = Options
    # What ssh says is kept for the text of an error. Nothing is read out of it: a banner may say anything.
    diag_protocol_class = mitogen.parent.LogProtocol
    #: Upstream's way of answering for ssh; put in place by `install`.
    ask: Ask
    _release: Optional[Callable[[], Any]] = None

    def get_boot_command(self) -> list[str]:
        """Return upstream's words, and after them the command for the target's shell (see `endings`)."""
        return [*self.options.words, super().get_boot_command()[-1]]

    def create_child(self, args: list[str]) -> Any:
        """Start ssh, and hand it the password, if there is one."""
        options = self.options
        if options.sshpass:
            return self._with_sshpass(args)
        if options.askpass is not None:
            more, self._release = type(self).ask(options.askpass)
            return self._start(args, more)
        environment = {} if ASKS in os.environ else {"env": {**os.environ, ASKS: "never"}}
        return self._start(args, environment)

    def _with_sshpass(self, args: list[str]) -> Any:
        reading, writing = os.pipe()
        try:
            before = [f"-d{reading}" if word.startswith("-d") else word for word in self.options.sshpass]
            process = self._start([*before, *args], {"pass_fds": (reading,)})
            # Fits into the pipe: nobody is waited for.
            os.write(writing, self.options.password.encode("utf-8", "surrogateescape") + b"\n")
        finally:
            os.close(reading)
            os.close(writing)
        return process

    @staticmethod
    def _start(args: list[str], more: dict[str, Any]) -> Any:
        return mitogen.parent.create_child(bringup.Command(args, more), stderr_pipe=True)

    def _complete_connection(self) -> None:
        # Also of an attempt that has failed. First, because the task's thread goes on when Mitogen has done its part.
        release, self._release = self._release, None
        try:
            if release is not None:
                release()
        finally:
            super()._complete_connection()

    # The end of ssh's output is the end of the connection. A master that ssh leaves behind (ControlPersist) may have the standard
    # error for another minute: OpenSSH before 8.5, and later ones that were told to be verbose.

    def on_stdio_disconnect(self) -> None:
        """See the base class, which waits for the end of standard error."""
        mitogen.core.listen(self.proc, "exit", self._close_stderr)  # first: the process may have ended
        self._on_streams_disconnected()

    def on_stderr_disconnect(self) -> None:
        """See the base class. It is not the end."""

    def _close_stderr(self) -> None:
        stream = self.stderr_stream
        if stream is not None and not stream.receive_side.closed:
            stream.on_disconnect(self._router.broker)


def ssh_of_upstream(router: Any, via: Any = None, **arguments: Any) -> Any:
    """[worker] Make one of these: a method of a worker's router, beside Mitogen's for its own kinds. Runs on the task's thread."""
    if via is not None:
        raise mitogen.core.StreamError("only this machine has upstream's plugin")
    return router._connect(Connection, **{"debug": router.debug, "profiling": router.profiling, **arguments})


def install(line: Callable[[Any], dict[str, Any]], ask: Ask, on_failure: Callable[[], Any], reset: Callable[[Any], None]) -> None:
    """[worker] Put it in place.

    ``line(connection)`` asks upstream's plugin for a `description`; if it cannot, ``on_failure`` is told (and may raise HandBack).
    ``reset(connection)`` does what upstream's plugin does when an action resets a connection.
    """
    mitogens = ansible_mitogen.connection._connect_ssh

    def connect_ssh(spec: Any) -> dict[str, Any]:
        if not isinstance(spec, ansible_mitogen.transport_config.PlayContextSpec) or spec.mitogen_via():
            return dict(mitogens(spec))  # by way of another target, which upstream's plugin does not know
        try:
            described = line(spec._connection)
        except Exception as exc:
            on_failure()
            exc.mitopatch_not_connected = True  # type: ignore[attr-defined]
            raise
        arguments = {
            "hostname": spec.remote_addr(),
            "port": spec.port(),
            "python_path": spec.python_path(),
            "connect_timeout": spec.timeout(),
            "remote_name": ansible_mitogen.connection.get_remote_name(spec),
        }
        return {"method": METHOD, "kwargs": {**described, **arguments}}

    for name in terminals.SSH:
        ansible_mitogen.connection.CONNECTION_METHOD[name] = connect_ssh
    Connection.ask = staticmethod(ask)
    _reset_as_upstream(reset)


def _reset_as_upstream(reset: Callable[[Any], None]) -> None:
    # An action that resets a connection wants a new login (new groups, a machine that starts anew): upstream's master must go too.
    # Mitogen also resets what it has lost, in the midst of a call; upstream does nothing then.
    klass, chain = ansible_mitogen.connection.Connection, ansible_mitogen.connection.CallChain
    mitogens, rethrow = klass.reset, chain._rethrow

    def reset_both(self: Any) -> None:
        mitogens(self)
        if self.transport in terminals.SSH and not self.mitopatch_keeps_master:
            reset(self)

    def rethrow_and_keep(self: Any, receiver: Any) -> Any:
        self._connection.mitopatch_keeps_master = True
        try:
            return rethrow(self, receiver)
        finally:
            self._connection.mitopatch_keeps_master = False

    klass.mitopatch_keeps_master = False
    klass.reset = reset_both
    chain._rethrow = rethrow_and_keep
