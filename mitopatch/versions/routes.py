"""[worker] Which connection, become and action plugins a task on a thread gets.

Connections that Mitogen speaks go to its plugins. For any other, and for become methods that have not earned the
thread route, the task is handed back before anything was done for it; in the middle of a loop, where that is too
late, upstream's own plugin serves on the thread, as it does there for a connection that Mitogen cannot make.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import sys
from typing import Any

from ansible import constants
from ansible.errors import AnsibleError
from ansible.plugins import action as action_plugins
from ansible.plugins import loader as plugin_loader
from ansible.utils.display import Display

from mitopatch.runtime.seam import HandBack
from mitopatch.targets.terminals import SSH
from mitopatch.versions import process_wide, ssh_line, threads

display = Display()

#: Become methods for the thread route, by the plugin's last name.
BECOME = frozenset({"sudo"})

_UPSTREAM_ACTIONS = os.path.dirname(action_plugins.__file__)

_PREFIXES = ("ansible.builtin.", "ansible.legacy.")


def _short(name: str) -> str:
    for prefix in _PREFIXES:
        if name.startswith(prefix):
            return name[len(prefix) :]
    return name


def hand_back(reason: str) -> bool:
    """Raise HandBack if the task of this thread can still be handed back; False if it is too late for that."""
    prepared = threads.current_task()
    if prepared is None or prepared.touched:
        return False
    raise HandBack(reason)


def touched() -> None:
    """The task of this thread has reached its target: from now on it stays here."""
    prepared = threads.current_task()
    if prepared is not None:
        prepared.touched = True


def acting(action: type) -> None:
    """An action plugin of this class begins on this thread.

    Upstream's own do nothing on the controller before they connect that could not be done again; a plugin of the user may,
    so it must not run a second time in a fork when its connection fails.
    """
    prepared = threads.current_task()
    if prepared is not None:
        prepared.repeatable = _is_upstream(action)
        if not prepared.repeatable and process_wide.concerns(action):
            hand_back(f"action plugin of {action.__module__}")


def _is_upstream(action: type, names: frozenset[str] = frozenset()) -> bool:
    """Whether an action plugin is upstream's own, and one of these names, if there are any."""
    name = action.__module__.rpartition(".")[2]
    found = getattr(sys.modules.get(action.__module__), "__file__", None) == os.path.join(_UPSTREAM_ACTIONS, f"{name}.py")
    return found and (not names or name in names)


def command(connection: Any, text: str, sudoable: bool = True) -> None:
    """A command is about to run on the target: at -vvv a line like those of upstream's own connections.

    Before it stands what the become plugin is told to put there, if the command is one that becomes somebody else.
    """
    context = connection._play_context
    words = _become_words(connection) if sudoable else ""
    display.vvv("EXEC (censored due to no log)" if context.no_log else f"EXEC {words}{text}", host=context.remote_addr)


def _become_words(connection: Any) -> str:
    # As ActionBase._low_level_execute_command decides (2.11 to 2.21), and the plugin sudo puts them.
    plugin = connection.become
    if plugin is None:
        return ""
    user = plugin.get_option("become_user")
    if user == connection._play_context.remote_user and not constants.BECOME_ALLOW_SAME_USER:
        return ""
    words = (plugin.get_option("become_exe") or _short(plugin._load_name), plugin.get_option("become_flags"), user and f"-u {user}")
    return "".join(f"{word} " for word in words if word)


def connection_failed() -> None:
    """Mitogen could not connect: upstream's own attempt in a fork decides, and words the result."""
    prepared = threads.current_task()
    if prepared is not None and prepared.repeatable:
        hand_back("connection failed")


def busy() -> None:
    """Another host's task has the interpreter on the target for long: in a fork this one runs beside it, as in plain Ansible."""
    prepared = threads.current_task()
    if prepared is not None and prepared.repeatable:
        hand_back("busy")


def install(family: Any, master: Any, modules: Any) -> None:
    """Put the worker's plugin look-ups in place; this process is a worker for the rest of its life."""
    get_connection = plugin_loader.connection_loader.get_with_context

    def upstream_connection(connection: Any) -> Any:
        if connection.transport not in master.connections:
            return None
        context = connection._play_context
        name = "ssh" if connection.transport in SSH else connection.transport
        plugin = get_connection(name, context, None, ansible_playbook_pid=str(os.getppid())).object
        if plugin is not None:
            plugin._options, plugin._shell = connection._options, connection._shell
            plugin.set_become_plugin(connection.become)
        return plugin

    lines = ssh_line.Lines(family, upstream_connection)
    master.install(
        connection=connection_wrapper(master),
        modules=modules,
        on_connect=touched,
        on_failure=connection_failed,
        on_busy=busy,
        on_action=acting,
        on_command=command,
        not_mitogens=for_upstream,
        upstream_connection=upstream_connection,
        ssh_line=lines.of,
        ssh_ask=lines.ask,
        ssh_reset=lines.reset,
    )


def connection_wrapper(master: Any) -> Any:
    """``connection_loader.get_with_context`` for tasks on threads."""
    upstream = plugin_loader.connection_loader.get_with_context
    names: dict[str, Any] = {}

    def upstream_name(name: str, short: str) -> Any:
        # Upstream tells the resolved name of the plugin as the task's connection (TaskExecutor, from 2.19), and for a
        # loop over delegates goes on with it (2.21): it must be that of the plugin which Mitogen's stands for.
        if name not in names:
            names[name] = getattr(upstream(name, class_only=True).object, "ansible_name", None)
            _give_options(short)
        return names[name]

    def get_with_context(name: str, *args: Any, **kwargs: Any) -> Any:
        short = _short(name)
        if short in master.connections:
            found = upstream("mitogen_" + short, *args, **kwargs)
            if found.object is not None and not kwargs.get("class_only") and upstream_name(name, short) is not None:
                found.object.ansible_name = upstream_name(name, short)
            return found
        if not short.startswith("mitogen_") and not kwargs.get("class_only"):
            hand_back(f"connection {name}")
        return upstream(name, *args, **kwargs)

    return get_with_context


def _of_current_user(connection: Any) -> None:
    """A local connection is the current user's, whatever ``ansible_user`` says. Source: local.Connection (2.11 to 2.21)."""
    try:
        connection.default_user = getpass.getuser()
    except (KeyError, OSError):  # who has no entry in passwd; OSError from Python 3.13
        connection.default_user = ""
    connection._play_context.remote_user = connection.default_user


def _give_options(short: str) -> None:
    """Give Mitogen's plugin the options of upstream's, such as ``pipelining``, if it has none of its own."""
    config = constants.config
    if not config.get_configuration_definitions("connection", f"mitogen_{short}"):
        config.initialize_plugin_configuration_definitions(
            "connection", f"mitogen_{short}", config.get_configuration_definitions("connection", short)
        )


def for_upstream(connection: Any, action: type) -> bool:
    """Whether what an action does is for upstream's own connection, though it could be Mitogen's; raises HandBack while it can."""
    # From 2.19, ``ansible_ssh_verbosity``: who asks ssh what it does reads its answer in the results.
    if connection.transport in SSH and connection._options.get("verbosity"):
        return not hand_back("ssh is to say what it does")
    # From 2.19, ``ansible_ssh_private_key``: the text of a key, which upstream gives to the agent of the run, or fails without one.
    if connection.transport in SSH and connection._options.get("private_key"):
        return not hand_back("a key for the agent")
    return becomes_otherwise(connection, action)


#: Actions that answer with what a command of theirs has written.
_SHOWN = frozenset(("raw", "script"))


def becomes_otherwise(connection: Any, action: type) -> bool:
    """Whether a task becomes another user in a way that is for upstream's own connection; raises HandBack while it can."""
    if connection.transport == "local":
        _of_current_user(connection)
    plugin = connection.become
    if plugin is None:
        return False
    if _short(plugin._load_name) not in BECOME:
        return not hand_back(f"become method {plugin._load_name}")
    # At a terminal sudo ends the line after the password, each time it asks; Mitogen's is asked once.
    if connection.transport in SSH and _is_upstream(action, _SHOWN) and plugin.get_option("become_pass") is not None:
        return not hand_back("sudo asks for a password at a terminal")
    user = plugin.get_option("become_user")
    return unprivileged(user, connection._play_context.remote_user) and not hand_back(f"become user {user}")


def unprivileged(user: Any, remote_user: Any) -> bool:
    """Whether the user whom a task becomes is neither root nor the one who logs in.

    Plain Ansible leaves such a module in the login user's directory, which it often may not read; modules then look for
    another one, make ``remote_tmp`` and warn (AnsibleModule._set_cwd). Mitogen's interpreter has moved elsewhere.
    """
    return user not in (None, "root", remote_user)


def reset_connection(
    family: Any,
    master: Any,
    manager: Any,
    loader: Any,
    host: Any,
    task: Any,
    play: Any,
    play_context: Any,
    hosts: list[str],
    hosts_all: list[str],
) -> None:
    """Close Mitogen's connections to ``host`` as ``meta: reset_connection`` does.

    Source: StrategyBase._execute_meta (2.11 to 2.21) for which variables count; ansible_mitogen.strategy for what its
    connection plugin wants to know.
    """
    variables = manager.get_vars(play=play, host=host, task=task, _hosts=hosts, _hosts_all=hosts_all)
    templar = family.templar(loader, variables)
    context = play_context.set_task_and_variable_override(task=task, variables=variables, templar=templar)
    context.post_validate(templar=templar)
    if not context.remote_addr:
        context.remote_addr = host.address
    context.update_vars(variables)
    context.vars["_mitogen.smuggled.reset_connection"] = (task, templar)
    connection = plugin_loader.connection_loader.get(context.connection, context, os.devnull)
    if _short(context.connection) in master.connections:
        connection._task_vars = variables  # it would look for them on the stack, in a frame of upstream's _execute_meta
        connection.mitopatch_keeps_master = True  # in the controller upstream's own code has ended it
        with contextlib.suppress(AnsibleError):  # there is none if upstream's plugin has no words for it
            connection.reset()
