"""[worker] What ansible-core knows of a module before it runs: where it is, how it starts, under which limits."""

from __future__ import annotations

import os
import re
import sys
from typing import Any, Optional

from ansible import constants
from ansible.executor import interpreter_discovery, module_common
from ansible.plugins.loader import module_loader
from ansible.utils.display import Display

from mitopatch.versions import routes

display = Display()

_LIMIT = "PYTHON_MODULE_RLIMIT_NOFILE"
#: A serialization profile of its own (from 2.19), embedded files (from 2.21): AnsiballZ prepares these.
_SPECIAL = re.compile(rb"^METADATA\b|\bEmbedManager\b", re.MULTILINE)
#: Settings of what AnsiballZ adds to a payload: a debugger, coverage (from 2.19 on).
_EXTENSIONS = "_ANSIBALLZ_"


class Modules:
    """See mitopatch.targets.planner.Modules."""

    def __init__(self, loader: Optional[str], nameless: str, arguments: bool) -> None:
        """``nameless``: the package of modules that belong to none, in which AnsiballZ puts them.

        ``arguments``: whether an interpreter may be given with arguments.
        """
        self.loader = loader
        # Nearly all of the distributions in its table have this one.
        self.first_python = "/usr/bin/python3" if hasattr(interpreter_discovery, "_get_linux_distro") else None
        utils = ((name, module) for name, module in list(sys.modules.items()) if name.startswith("ansible.module_utils.compat."))
        self.other_names = tuple(name for name, module in utils if getattr(module, "__name__", name) != name)
        self._arguments = arguments
        self._nameless = nameless
        config = constants.config
        self._limit = config.get_config_value(_LIMIT)
        self._limit_names = [entry["name"] for entry in config.get_configuration_definition(_LIMIT).get("vars", ())]
        extensions = {name: about for name, about in config.get_configuration_definitions().items() if name.startswith(_EXTENSIONS)}
        self._extended = any(config.get_config_value(name) is not None for name in extensions)
        self._extension_names = frozenset(entry["name"] for about in extensions.values() for entry in about.get("vars", ()))

    def path(self, action: Any, name: str) -> Optional[str]:
        # As ActionBase._configure_module.
        if name == action._task.action:
            # ansible_mitogen's copy of the name no longer knows where it stands in the playbook, and the deprecation of a
            # redirected module, which the controller has shown, would be another one (from 2.19).
            name = action._task.action
        found = module_loader.find_plugin_with_context(name, "", collection_list=action._task.collections)
        path: Optional[str] = found.plugin_resolved_path if found.resolved else None
        return path

    def full_name(self, path: str, name: str) -> str:
        # As module_common._find_module_utils.
        try:
            return str(module_common._get_ansible_module_fqn(path))
        except ValueError:
            return f"{self._nameless}.{name}"

    def open_files(self, action: Any, variables: dict[str, Any]) -> int:
        # As module_common._find_module_utils.
        if action._task.delegate_to:
            variables = variables.get("ansible_delegated_vars", {}).get(action._task.delegate_to, variables)
        limit = self._limit
        if any(name in variables for name in self._limit_names):
            limit = constants.config.get_config_value(_LIMIT, variables=variables)
        if not isinstance(limit, int):
            limit = action._templar.template(limit)
        return int(limit)  # not a class of ansible-core's, which a target cannot unpickle

    def extended(self, variables: dict[str, Any]) -> bool:
        return self._extended or not self._extension_names.isdisjoint(variables)

    def interpreter(self, text: str, command: list[str]) -> list[str]:
        if self._arguments or len(command) == 1:
            return command
        routes.hand_back(f"interpreter {text}")
        return [text]

    def special(self, source: bytes) -> bool:
        return _SPECIAL.search(source) is not None

    def begins(self, action: Any, path: str) -> None:
        # Who reads at -vvv wants to see what runs where. Upstream's line has a command, and there is none.
        display.vvv(f"Using module file {path}")
        routes.command(action._connection, f"{os.path.basename(path)} (in the connection's own interpreter)")
