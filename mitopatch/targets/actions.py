"""[worker] Action plugins over Mitogen connections: upstream's classes with ansible_mitogen's mixin, mended."""

from __future__ import annotations

import functools
import logging
import os
import random
import shlex
import time
from collections.abc import Callable
from typing import Any, Optional

import mitopatch.targets.release  # noqa: F401 - before ansible_mitogen

import ansible_mitogen.connection
import ansible_mitogen.loaders
import ansible_mitogen.mixins
import ansible_mitogen.target
import mitogen.core
from ansible_mitogen.utils import unsafe

from mitopatch.targets import discovery, onboard, planner

LOG = logging.getLogger(__name__)


class ActionMixin(ansible_mitogen.mixins.ActionModuleMixin):  # type: ignore[misc]
    """Mixed into every action class whose task runs over a Mitogen connection."""

    #: Whether this action has a module run the upstream way at the moment.
    _upstream_way = False
    #: Whether the module that is being run may have done something; set by `planner`.
    module_begun = False
    #: The Pythons that ansible_mitogen tries while it looks for one.
    _mitogen_interpreter_candidates: list[str]
    #: Whether a method of `CONNECTING` is at work.
    _connecting = False

    def _execute_module(self, *args: Any, **kwargs: Any) -> Any:
        if not kwargs.get("wrap_async"):
            self.module_begun = False
            try:
                return super()._execute_module(*args, **kwargs)
            except planner.Upstream as why:
                LOG.debug("%r: the upstream way (%s)", self, why)
            except TypeError:  # ansible_mitogen does not know the type of a parameter
                if self.module_begun:
                    raise
        return self._execute_module_upstream(*args, **kwargs)

    def _execute_module_upstream(self, *args: Any, **kwargs: Any) -> Any:
        """Upstream's own ``_execute_module``: AnsiballZ or a file, started by a command over Mitogen's connection."""
        self._upstream_way = True
        try:
            return self._upstream()._execute_module(*args, **kwargs)
        finally:
            self._upstream_way = False

    def _goes_on_with_upstream(self, why: Exception) -> bool:
        """Where Mitogen could not connect and it is too late for a fork: be upstream's own action on upstream's own connection.

        A Python that does not start, named for one item of a loop or found by discovery: with upstream's plugin the module fails
        with the words of the shell, and ``raw`` does not need one.
        """
        if not getattr(why, "mitopatch_not_connected", False):
            return False
        plugin = _upstream_connection(self._connection)
        if plugin is None:
            return False
        LOG.debug("%r: upstream's own connection (%s)", self, why)
        self._connection: Any = plugin
        self.__class__ = type(self).__bases__[1]  # as ansible_mitogen's constructor does
        return True

    def _upstream(self) -> Any:
        """Upstream's methods, behind ansible_mitogen's."""
        return super(ansible_mitogen.mixins.ActionModuleMixin, self)

    def _configure_module(self, *args: Any, **kwargs: Any) -> Any:
        return self._upstream()._configure_module(*args, **kwargs)

    def _is_pipelining_enabled(self, *args: Any, **kwargs: Any) -> Any:
        return self._upstream()._is_pipelining_enabled(*args, **kwargs)

    def _set_temp_file_args(self, module_args: dict[str, Any], wrap_async: bool) -> None:
        """Upstream's own are right: ``remote_tmp`` may be a variable, which ansible_mitogen does not read."""

    def _new_tmp_path(self) -> str:
        name = f"ansible-tmp-{time.time()}-{os.getpid()}-{random.getrandbits(48)}"  # nosec B311 # mkdir refuses a guessed one
        return str(unsafe.cast(self.get_shell_option("remote_tmp", default="~/.ansible/tmp"))).rstrip("/") + "/" + name

    def module_tmpdir(self) -> Optional[str]:
        """The temporary directory that upstream would make for the file of a new-style module now; None if for none."""
        if self._connection._shell.tmpdir is not None or self._is_pipelining_enabled("new", False):
            return None
        return self._expand_home(self._new_tmp_path())

    def words_of_end(self, command: str) -> Any:
        """What a module's command gives, exit status and output, that ends as this shell command."""
        pipelining = self._is_pipelining_enabled("new", False)
        return self._low_level_execute_command(f"/bin/sh -c {shlex.quote(command)} && sleep 0", in_data=b"\n" if pipelining else None)

    def _expand_home(self, path: str, sudoable: bool = True) -> str:
        # On this machine upstream asks for the home of the user by name if there is a name; HOME may be another's.
        if self._connection.transport == "local" and (path + "/").startswith("~/"):
            user = self.get_become_option("become_user") if sudoable and self._connection.become else None
            user = user or self._get_remote_user()
            if user:
                return os.path.expanduser("~" + str(unsafe.cast(user))) + path[1:]
        return path

    def _remote_expand_user(self, path: str, sudoable: bool = True, **kwargs: Any) -> Any:
        return super()._remote_expand_user(self._expand_home(path, sudoable), sudoable=sudoable)

    def _make_tmp_path(self, *args: Any, **kwargs: Any) -> Any:
        if self._upstream_way:
            return self._upstream()._make_tmp_path(*args, **kwargs)
        path = self._remote_expand_user(self._new_tmp_path())
        chain = self._connection.get_chain()
        directory, name = os.path.split(path)
        place = (self._connection.context.context_id, directory)
        if place in _places:
            path = os.path.join(_places[place], name)
            chain.call_no_reply(onboard.make_directory, path)
        else:
            try:
                path = chain.call(onboard.make_directory, path)
            except mitogen.core.CallError:
                return self._upstream()._make_tmp_path(*args, **kwargs)
            _places[place] = os.path.dirname(path)
        self._connection._shell.tmpdir = path
        return path

    def _fixup_perms2(self, remote_paths: Any, remote_user: Any = None, execute: bool = True) -> Any:
        # ansible_mitogen leaves the execute bit out for the name ``copy``, whose ``validate`` may run the file.
        return self._remote_chmod(remote_paths, "u+x") if execute else self.COMMAND_RESULT.copy()

    def _low_level_execute_command(self, *args: Any, **kwargs: Any) -> Any:
        if self._mitogen_discovering_interpreter:
            self._mitogen_interpreter_candidates = _found.candidates(self._mitogen_interpreter_candidates)
            if kwargs.get("in_data"):
                # Upstream's question, which a Python reads from its standard input, imports from the directory in which that starts:
                # the home of the login account, here also where the Python is root's.
                kwargs["chdir"] = "/"
        kwargs.pop("process_result", None)  # from 2.21; for PowerShell, which Mitogen's targets do not run
        # ``script`` with ``chdir``: the directory comes from YAML and is of a class that a target cannot unpickle.
        if kwargs.get("chdir") is not None:
            kwargs["chdir"] = unsafe.cast(kwargs["chdir"])
        return super()._low_level_execute_command(*args, **kwargs)

    def _remote_chmod(self, paths: Any, mode: Any, sudoable: bool = False) -> Any:
        tmpdir = self._connection._shell.tmpdir
        names = [str(unsafe.cast(path)) for path in paths]
        if mode != "u+x" or not tmpdir or not all(name.startswith(f"{tmpdir}/") or name == tmpdir for name in names):
            return super()._remote_chmod(paths, mode, sudoable=sudoable)
        # Of what we have just put into our own directory, the file too without waiting for an answer: not a round trip for this. If
        # it fails, so does the next call, which needs the file.
        chain = self._connection.get_chain()
        return self.fake_shell(lambda: [chain.call_no_reply(ansible_mitogen.target.set_file_mode, name, mode) for name in names])

    def _transfer_data(self, remote_path: str, data: Any) -> Any:
        if isinstance(data, (str, bytes)):
            return super()._transfer_data(remote_path, data)
        return self._upstream()._transfer_data(remote_path, data)  # what else it may be depends on the release


#: The mixin's methods that connect.
CONNECTING = (
    "_execute_module", "_low_level_execute_command", "_make_tmp_path", "_remove_tmp_path", "_remote_chmod", "_remote_chown",
    "_remote_expand_user", "_remote_file_exists", "_transfer_data", "_transfer_file", "_fixup_perms2",
)  # fmt: skip


def _or_upstream(name: str) -> Callable[..., Any]:
    method = getattr(ActionMixin, name)

    @functools.wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self._connecting:
            return method(self, *args, **kwargs)
        self._connecting = True
        try:
            return method(self, *args, **kwargs)
        except Exception as exc:
            if not self._goes_on_with_upstream(exc):
                raise
        finally:
            self._connecting = False
        return getattr(self, name)(*args, **kwargs)

    return call


for _name in CONNECTING:
    setattr(ActionMixin, _name, _or_upstream(_name))

#: By target (Mitogen's number) and name of a directory there: its expanded name, if temporary directories could be made in it.
_places: dict[tuple[int, str], str] = {}

_adorned: dict[type, type] = {}
_on_action: Callable[[type], None]
_found: discovery.Found
_not_mitogens: Callable[[Any, type], bool]
_upstream_connection: Callable[[Any], Any]


def tell(
    on_action: Callable[[type], None],
    not_mitogens: Callable[[Any, type], bool],
    upstream_connection: Callable[[Any], Any],
    found: discovery.Found,
) -> None:
    """``on_action(klass)`` is called with upstream's class whenever an action plugin is made for a task.

    ``not_mitogens`` says of a connection of Mitogen's, set up for an action of that class, whether upstream's own has to serve;
    ``upstream_connection`` makes of it the upstream's one that it stands for.
    """
    global _on_action, _not_mitogens, _upstream_connection, _found
    _on_action, _not_mitogens, _upstream_connection, _found = on_action, not_mitogens, upstream_connection, found


def adorn(klass: type) -> type:
    """``klass`` with the mixin, made once."""
    adorned = _adorned.get(klass)
    if adorned is None:
        # The mixin turns an instance back into its second base if the connection is not Mitogen's.
        bases = (ActionMixin, klass)
        adorned = _adorned[klass] = type(klass.__name__, bases, {"__module__": klass.__module__})
    return adorned


def get_with_context(name: str, *args: Any, **kwargs: Any) -> Any:
    """``action_loader.get_with_context`` in a worker. Source: ansible_mitogen.strategy.wrap_action_loader__get_with_context.

    Not its `fetch`, a copy of upstream's of some release: it lacks what came later, and words an unreadable file otherwise.
    """
    collection_list = kwargs.pop("collection_list", None)
    class_only = kwargs.pop("class_only", False)
    upstream = ansible_mitogen.loaders.action_loader__get_with_context
    found = upstream(name, class_only=True, collection_list=collection_list)
    if not found.object:
        return found
    klass = adorn(found.object)
    if not class_only:
        _on_action(found.object)
        connection = kwargs.get("connection")
        if isinstance(connection, ansible_mitogen.connection.Connection) and _not_mitogens(connection, found.object):
            kwargs["connection"] = _upstream_connection(connection) or connection  # the mixin steps aside
    return type(found)(klass if class_only else klass(*args, **kwargs), found.plugin_load_context)
