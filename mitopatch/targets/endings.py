"""[worker] What comes of a module that ends the interpreter it runs in: killed, crashed, ``os._exit``.

In plain Ansible that is the module's own interpreter, the shell that started it says how it ended, and the task has failed. Here it
is Mitogen's, and the connection is gone too. Whether the module ended it or the network, the process that started the interpreter
knows: on this machine ourselves, for sudo the interpreter of the login account, and for ssh a shell on the target, whose
exit status ssh hands on (`ssh_boot_command`); 255 is ssh's own. Where it was the module, a shell on the target that ends in the same way
gives the words, over a new connection, and upstream's own code makes the result of them. The module is not run again.
"""

from __future__ import annotations

import logging
import shlex
import signal
from typing import Any, Optional

import mitopatch.targets.release  # noqa: F401 - before ansible_mitogen

import mitogen.core
import mitogen.parent
import mitogen.service
import mitogen.ssh

from mitopatch.targets import hops, onboard

LOG = logging.getLogger(__name__)

#: Exit status of ssh itself; a shell says so of a process that was ended by a signal, with its number added.
SSH_FAILED = 255
SHELL_SIGNAL = 128

_ssh_boot_command = mitogen.ssh.Connection.get_boot_command
#: How many words Mitogen has after those that start Python, once known.
_after_python = 0


class Dead:
    """A receiver whose message was the end of the channel."""

    def __init__(self, error: mitogen.core.ChannelError) -> None:
        self._error = error

    def get(self) -> None:
        raise self._error


def install() -> None:
    """Have the interpreters' ends remembered in this process, and told by ssh."""
    hops.watch_children()  # type: ignore[no-untyped-call]
    mitogen.ssh.Connection.get_boot_command = ssh_boot_command
    # What a local interpreter says that does not start is not for our own standard error. (Other kinds have classes of their own.)
    local = mitogen.parent.Connection
    local.create_child_args = property(lambda self: {"stderr_pipe": True} if type(self) is local else {})


def ssh_boot_command(self: Any) -> list[str]:
    """Stands for mitogen.ssh.Connection.get_boot_command: with a shell that waits for the interpreter.

    Without one sshd tells of a signal in a way that ssh does not hand on. Upstream's ssh plugin has a shell there too.
    """
    command: list[str] = _ssh_boot_command(self)
    global _after_python
    if not _after_python:
        _after_python = len(mitogen.parent.Connection.get_boot_command(self)) - len(self.get_python_argv())
    own = len(self.get_python_argv()) + _after_python
    return [*command[:-own], "/bin/sh -c " + shlex.quote(" ".join(command[-own:]) + "; exit $?")]


def run(invocation: Any, arguments: dict[str, Any]) -> Any:
    """Run a module in Mitogen's interpreter: what `onboard.run_module` returns."""
    connection = invocation.connection
    chain = connection.get_chain()
    context = connection.context
    hops.busy.add(context.context_id)
    try:
        # Not the chain's `call`, for which every end is that of the connection.
        return chain.call_async(onboard.run_module, kwargs=arguments).get().unpickle()
    except mitogen.core.ChannelError as exc:
        status = None if context.router.refused(context.context_id) else _status(connection.transport, context)
        LOG.debug("%r ended: %r", context, status)
        if status is None:
            return chain._rethrow(Dead(exc))
    finally:
        hops.busy.discard(context.context_id)
    mitogen.service.call(
        call_context=connection.binding.get_service_context(),
        service_name="ansible_mitogen.services.ContextService",
        method_name="forget",
        context=context,
    )
    connection._put_connection()
    try:
        return invocation.action.words_of_end(f"kill -{-status} $$" if status < 0 else f"exit {status}")
    except Exception as exc:
        exc.mitopatch_not_connected = False  # type: ignore[attr-defined]  # the module has begun: nobody else tries
        raise


def _status(transport: str, context: Any) -> Optional[int]:
    """How the interpreter ended, as subprocess has it; None if that was the end of the connection, or nobody knows."""
    if context.via is not None:
        try:
            status: Optional[int] = context.via.call(hops.exit_status, context.context_id)
        except (mitogen.core.ChannelError, mitogen.core.CallError):
            return None
        return status
    status = hops.exit_status(context.context_id)  # type: ignore[no-untyped-call]
    if status is None or transport == "local":
        return status
    if not 0 <= status < SSH_FAILED:
        return None
    return SHELL_SIGNAL - status if status - SHELL_SIGNAL in signal.valid_signals() else status
