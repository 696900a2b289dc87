"""[worker] Which modules run inside Mitogen's interpreter (onboard.py), and which the upstream way: AnsiballZ over the same connection.

Inside: new-style Python modules that start as any other would in that interpreter. The upstream way: modules of the other styles,
which need a process of their own anyway; with a serialization profile or embedded files; with `module_utils` of the
user's in Ansible's own package, which would stay loaded; and those for which `onboard` answers "again".
"""

from __future__ import annotations

import functools
import json
import logging
import os
from typing import Any, NamedTuple, Optional, Protocol

import mitopatch.targets.release  # noqa: F401 - before ansible_mitogen

import ansible_mitogen._modifiers
import ansible_mitogen.parsing
import ansible_mitogen.planner
import ansible_mitogen.process
import ansible_mitogen.target
import ansible_mitogen.transport_config
import mitogen.core
from ansible_mitogen.utils import unsafe

from mitopatch.targets import endings, hops, onboard, terminals

LOG = logging.getLogger(__name__)


class Modules(Protocol):
    """[worker] What ansible-core knows of modules (versions/modules.py)."""

    #: Upstream's module that words exceptions on the target; None before 2.19.
    loader: Optional[str]
    #: The Python that discovery prefers to all candidates where there is a rule for distributions; None from 2.19 on.
    first_python: Optional[str]
    #: Names in `module_utils` under which every module finds another one, so that Mitogen does not see that it will be asked for them.
    other_names: tuple[str, ...]

    def path(self, action: Any, name: str) -> Optional[str]:
        """The file of a module as this task finds it; None if there is none."""

    def full_name(self, path: str, name: str) -> str:
        """The name under which AnsiballZ runs a module."""

    def open_files(self, action: Any, variables: dict[str, Any]) -> int:
        """The limit of open files that a module gets; 0 for none."""

    def extended(self, variables: dict[str, Any]) -> bool:
        """Whether AnsiballZ is to add a debugger or the like."""

    def interpreter(self, text: str, command: list[str]) -> list[str]:
        """The command of an interpreter, given as ``text``, which a shell would make ``command``. May raise HandBack."""

    def special(self, source: bytes) -> bool:
        """Whether only AnsiballZ can prepare this module."""

    def begins(self, action: Any, path: str) -> None:
        """A module, in this file, is about to run in Mitogen's interpreter."""


class Upstream(Exception):
    """[worker] This module has to run the upstream way; nothing was done yet that could not be done again."""


class _Plan(NamedTuple):
    inside: bool
    interpreter: Optional[str] = None


class NewStylePlanner(ansible_mitogen.planner.NewStylePlanner):  # type: ignore[misc]
    """ansible_mitogen's planner, for our runner."""

    _module_map: Optional[dict[str, Any]] = None

    @functools.cached_property
    def terminal(self) -> bool:
        """Whether upstream would give the module a terminal."""
        return terminals.given(self._inv.connection) and not self._inv.action._is_pipelining_enabled("new", False)

    def get_module_map(self) -> dict[str, Any]:
        """See the base class, which asks a service for each item of a loop."""
        if self._module_map is None:
            key = (self._inv.module_name, self._inv.module_path, self.get_search_path())
            if key not in _maps:
                _maps[key] = super().get_module_map()
            self._module_map = _maps[key]
        return self._module_map

    def get_kwargs(self) -> dict[str, Any]:
        """What `onboard.run_module` is told: of what a module imports only what `onboard` minds, since every name is sent for each item."""
        inv = self._inv
        connection = inv.connection
        modules = self.get_module_map()
        known: dict[str, Any] = unsafe.cast({
            "module": inv.module_name,
            "path": inv.module_path,
            "json_args": json.dumps(inv.module_args),
            "env": inv.env,
            "interpreter_fragment": None,
            "is_python": None,
            "module_map": {"custom": modules["custom"], "builtin": [name for name in modules["builtin"] if name == onboard.RESPAWN]},
            "py_module_name": _modules.full_name(inv.module_path, inv.module_name),
        })  # fmt: skip
        return {
            **known,
            "good_temp_dir": connection.get_good_temp_dir(),
            "cwd": connection.get_default_cwd(),
            # The local plugin compares all variables with those that its interpreter was started with.
            "extra_env": None if _environment == getattr(os.environ, "_data", None) else connection.get_default_env(),
            "emulate_tty": self.terminal,
            "service_context": connection.get_binding().get_child_service_context(),
            "loader": _modules.loader,
            "open_files": _modules.open_files(inv.action, inv.task_vars),
            "tmpdir": inv.action.module_tmpdir(),
        }


_modules: Modules
_plans: dict[str, _Plan] = {}
_same_interpreter: dict[tuple[int, str], bool] = {}
#: By name and file of a module, and where `module_utils` are looked for: what it imports of them.
_maps: dict[tuple[str, str, tuple[str, ...]], dict[str, Any]] = {}
#: What targets (Mitogen's numbers) have of files.
_sent: set[tuple[int, str]] = set()
#: Which of `module_utils` they were sent, or have been by then.
_told: dict[int, set[str]] = {}
#: By the file of a module: what it imports of collections.
_shared: dict[str, frozenset[str]] = {}
#: The environment that this worker, and so a local interpreter, was started with.
_environment: dict[bytes, bytes] = {}


def install(modules: Modules) -> None:
    """Put `invoke`, and what it calls on the target, in place of ansible_mitogen's."""
    global _modules, _environment
    _modules = modules
    _environment = {os.fsencode(name): os.fsencode(value) for name, value in ansible_mitogen.process.MuxProcess.cls_original_env.items()}
    ansible_mitogen.planner.invoke = invoke
    ansible_mitogen.target.run_module = onboard.run_module
    ansible_mitogen.target.init_child = hops.init_child
    endings.install()
    upstream = ansible_mitogen.transport_config.parse_python_path

    def parse_python_path(s: Any, candidates: Any, task_vars: Any, action: Any, rediscover_python: Any) -> list[str]:
        # What is known of a delegate stands with its variables, and what is found out there is told of with `delegate_facts` only.
        task = action._task
        delegated = (task_vars.get("ansible_delegated_vars") or {}).get(task.delegate_to) if task.delegate_to else None
        variables = task_vars if delegated is None else delegated
        known = "discovered_interpreter_python" in (variables.get("ansible_facts") or ())
        command = upstream(s, candidates, variables, action, rediscover_python)
        if (known and not action._mitogen_rediscovered_interpreter) or (delegated is not None and not task.delegate_facts):
            action._discovered_interpreter_key = None  # upstream tells of it once
        return command if action._mitogen_discovering_interpreter else modules.interpreter(str(s), command)

    ansible_mitogen.transport_config.parse_python_path = parse_python_path


def _plan(invocation: Any) -> _Plan:
    source = invocation.get_module_source()
    path = invocation.module_path
    if ansible_mitogen.planner.BinaryPlanner.detect(path, source) or not NewStylePlanner.detect(path, source) or _modules.special(source):
        return _Plan(False)
    interpreter, argument = ansible_mitogen.parsing.parse_hashbang(source)
    if argument:
        return _Plan(False)
    # Not ansible_mitogen's `_load_collections`: its look at all collections warns of those without a manifest, and what it adds to
    # `sys.path` finds nothing, because Ansible's own finder answers for `ansible_collections`.
    modified = ansible_mitogen._modifiers.apply_ansible_module_modifiers(invocation.module_name, source)
    if modified != source:
        invocation._overridden_sources[path] = modified
    return _Plan(True, None if interpreter is None or os.path.basename(interpreter) == "python" else interpreter)


def _runs_here(invocation: Any, interpreter: str) -> bool:
    """Whether the interpreter that a module names itself is the one that Mitogen runs in."""
    if f"ansible_{os.path.basename(interpreter)}_interpreter" in invocation.task_vars:
        return False
    key = (invocation.connection.context.context_id, interpreter)
    if key not in _same_interpreter:
        _same_interpreter[key] = invocation.connection.get_chain().call(onboard.is_interpreter, interpreter)
    return _same_interpreter[key]


def _send_files(invocation: Any, planner: NewStylePlanner) -> None:
    """Send the target what it does not have yet. ansible_mitogen asks a service each time, and has what is imported asked for."""
    context = invocation.connection.context
    key = (context.context_id, invocation.module_path)
    if key not in _sent:
        told = _told.setdefault(context.context_id, set())
        names = [name for name in planner.get_module_map()["builtin"] if name not in told]
        told.update(names)
        context.router.responder.forward_modules(context, names)
        ansible_mitogen.planner._propagate_deps(invocation, planner, context)
        _sent.add(key)


def _shared_names(invocation: Any, responder: Any) -> frozenset[str]:
    """Return what a module imports of collections, directly or not: these its target asks for."""
    path = invocation.module_path
    if path not in _shared:
        name, source = _modules.full_name(path, invocation.module_name), invocation.get_module_source()
        of_collections = name.startswith("ansible_collections.") or b"ansible_collections" in source
        _shared[path] = responder.shared_by(name, source) if of_collections else frozenset()
    return _shared[path]


def invoke(invocation: Any) -> Any:
    """Run a module inside Mitogen's interpreter; raises Upstream. Stands for ansible_mitogen.planner.invoke."""
    found = _modules.path(invocation.action, invocation.module_name)
    if found is None:
        raise Upstream("not found")
    if _modules.extended(invocation.task_vars):
        raise Upstream("a debugger")
    path = invocation.module_path = str(found)
    plan = _plans.get(path)
    if plan is None:
        plan = _plans[path] = _plan(invocation)
    if not plan.inside or (plan.interpreter is not None and not _runs_here(invocation, plan.interpreter)):
        raise Upstream("style")
    planner = NewStylePlanner(invocation)
    try:
        custom = planner.get_module_map()["custom"]
    except SyntaxError as exc:
        raise Upstream("syntax error") from exc
    if any(name.startswith("ansible.module_utils.") for name, _path, _is_package in custom):
        raise Upstream("module_utils")
    try:
        arguments = planner.get_kwargs()
    except Exception as exc:  # a parameter that is not for JSON, a limit that cannot be templated
        raise Upstream("parameters") from exc
    _modules.begins(invocation.action, path)
    context = invocation.connection.context
    responder = context.router.responder
    responder.allow(context.context_id, _shared_names(invocation, responder))
    if planner.should_fork():
        invocation.action.module_begun = True
        response = ansible_mitogen.planner._invoke_isolated_task(invocation, planner)
    else:
        try:
            _send_files(invocation, planner)
        except mitogen.core.ChannelError as exc:
            return invocation.connection.get_chain()._rethrow(endings.Dead(exc))
        invocation.action.module_begun = True
        response = endings.run(invocation, arguments)
    if onboard.AGAIN in response:
        raise Upstream(response[onboard.AGAIN])
    if planner.terminal and not response["stderr"]:  # from a Python 2, and of a module that ended the interpreter, it has something
        response["stderr"] = terminals.last_words(invocation.connection)
    return invocation.action._postprocess_response(response)
