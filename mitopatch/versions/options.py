"""[worker] An option that no variable, keyword or argument of a task sets has the same value for all hosts: it is worked out once.

A connection plugin has up to some forty options, asked for anew for each host-task; most come from the environment, ansible.cfg or
their defaults, which do not change while a worker lives. Not kept: what is a template, what may report a deprecation, containers
and paths (some kinds make a directory).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Optional

from ansible.config import manager as config

LOG = logging.getLogger(__name__)

#: Types whose conversion depends on the value alone.
TYPES = frozenset((None, "str", "string", "bool", "boolean", "int", "integer", "float", "raw"))


class Steady(NamedTuple):
    """An option's value and origin, unless one of these sets it."""

    answer: tuple[Any, Any]
    variables: frozenset[str]
    #: Its own name, its aliases and keywords.
    names: frozenset[str]

    def holds(self, keys: Any, variables: Any, direct: Any) -> bool:
        """Whether nothing in these sets it."""
        return (
            not (variables and any(name in variables for name in self.variables))
            and not (direct and any(name in direct for name in self.names))
            and not (keys and any(keys.get(name) is not None for name in self.names))
        )


def _entries(definition: Mapping[str, Any], kind: str) -> list[Any]:
    return list(definition.get(kind) or ())


def sources(definition: Mapping[str, Any], config_name: str) -> tuple[frozenset[str], frozenset[str]]:
    """The names of the variables that set an option, and of the keywords and arguments that do."""
    variables = frozenset(entry["name"] for entry in _entries(definition, "vars"))
    keywords = [entry["name"] for entry in _entries(definition, "keyword")]
    return variables, frozenset((config_name, *keywords, *_entries(definition, "aliases")))


def may_be_steady(definition: Mapping[str, Any]) -> bool:
    """Whether an option's value is good for all tasks in which nothing sets it."""
    default = definition.get("default")
    if definition.get("type") not in TYPES or (isinstance(default, str) and "{" in default) or "deprecated" in definition:
        return False
    return not any("deprecated" in entry for kind in ("env", "ini", "cli") for entry in _entries(definition, kind))


def _install_file() -> None:
    """What ansible.cfg says is taken from the parser once."""
    read = getattr(config, "get_ini_config_value", None)
    if read is None:  # from 2.19 on upstream remembers it
        return
    #: (parser, section, key) -> value; the parsers are kept, so that their ids stay theirs.
    known: dict[tuple[int, Any, Any], tuple[Any, Any]] = {}

    def read_once(parser: Any, entry: Any) -> Any:
        key = (id(parser), entry.get("section"), entry.get("key"))
        kept = known.get(key)
        if kept is None:
            kept = known[key] = (parser, read(parser, entry))
        return kept[1]

    config.get_ini_config_value = read_once


class Whole(NamedTuple):
    """All options of a plugin."""

    #: In upstream's order, with None where an option is not steady.
    values: dict[str, Any]
    origins: dict[str, Any]
    unsteady: tuple[str, ...]
    #: Which steady options a variable may set, or a keyword or argument.
    by_variable: dict[str, list[str]]
    by_name: dict[str, list[str]]

    def again(self, keys: Any, variables: Any, direct: Any) -> Iterable[str]:
        """The options that have to be asked for: those that are not steady, and those that something in these sets."""
        found = list(self.unsteady)
        for name in variables or ():
            found += self.by_variable.get(name, ())
        for name in direct or ():
            found += self.by_name.get(name, ())
        for name in keys.keys() & self.by_name.keys() if keys else ():
            if keys[name] is not None:
                found += self.by_name[name]
        return found


class Options:
    """[worker] What is known of plugins' options."""

    def __init__(self) -> None:
        self._ask = config.ConfigManager.get_config_value_and_origin
        self._known: dict[tuple[str, str, str], Optional[Steady]] = {}
        self._wholes: dict[tuple[str, str], Whole] = {}
        #: (manager, name) -> answer; the managers are kept, so that their ids stay theirs.
        self._base: dict[tuple[int, str], tuple[Any, tuple[Any, Any]]] = {}

    def forget(self, plugin_type: str, name: str) -> None:
        """The options of a plugin are defined anew."""
        self._wholes.pop((plugin_type, name), None)
        for key in [key for key in self._known if key[:2] == (plugin_type, name)]:
            del self._known[key]

    def base(self, manager: Any, name: str) -> tuple[Any, Any]:
        """The value of a setting of Ansible's own, and where it comes from; each time a list of its own."""
        kept = self._base.get((id(manager), name))
        if kept is None:
            answer: tuple[Any, Any] = self._ask(manager, name)
            definition = manager.get_configuration_definitions().get(name, {})
            of_a_list = definition.get("type") == "list" and isinstance(answer[0], list)
            if may_be_steady({**definition, "type": None} if of_a_list else definition):
                self._base[id(manager), name] = (manager, answer)
            return answer
        value, origin = kept[1]
        return (list(value) if isinstance(value, list) else value), origin

    def steady(self, manager: Any, plugin_type: str, plugin_name: str, name: str) -> Optional[Steady]:
        """What is known of an option; None if it may be another one each time."""
        key = (plugin_type, plugin_name, name)
        if key not in self._known:
            self._known[key] = self._learn(manager, *key)
        return self._known[key]

    def _learn(self, manager: Any, plugin_type: str, plugin_name: str, name: str) -> Optional[Steady]:
        definition = manager.get_configuration_definitions(plugin_type, plugin_name).get(name)
        if definition is None or not may_be_steady(definition):
            return None
        try:
            answer = self._ask(manager, name, None, plugin_type, plugin_name, None, None, None)
        except Exception:
            LOG.debug("%s %s: %s", plugin_type, plugin_name, name, exc_info=True)  # whoever asks for it without setting it hears of it
            return None
        value = answer[0]
        if not (value is None or isinstance(value, (str, int, float))):
            return None
        return Steady(answer, *sources(definition, name))

    def whole(self, manager: Any, plugin_type: str, plugin_name: str) -> Whole:
        """All that is known of a plugin's options."""
        found = self._wholes.get((plugin_type, plugin_name))
        if found is None:
            found = Whole({}, {}, (), {}, {})
            unsteady = []
            for name in manager.get_configuration_definitions(plugin_type, plugin_name):
                kept = self.steady(manager, plugin_type, plugin_name, name)
                found.values[name], found.origins[name] = (None, None) if kept is None else kept.answer
                if kept is None:
                    unsteady.append(name)
                    continue
                for index, sets in ((found.by_variable, kept.variables), (found.by_name, kept.names)):
                    for setter in sets:
                        index.setdefault(setter, []).append(name)
            found = self._wholes[plugin_type, plugin_name] = found._replace(unsteady=tuple(unsteady))
        return found


def install() -> None:
    """Put it in place; this process is a worker for the rest of its life."""
    kind = config.ConfigManager
    options = Options()
    ask, define = kind.get_config_value_and_origin, kind.initialize_plugin_configuration_definitions

    def get_config_value_and_origin(
        self: Any, name: str, cfile: Any = None, plugin_type: Any = None, plugin_name: Any = None,
        keys: Any = None, variables: Any = None, direct: Any = None, **more: Any,
    ) -> Any:  # fmt: skip
        if cfile is None and plugin_type is None and not (keys or variables or direct or more):
            return options.base(self, name)
        if cfile is None and plugin_type is not None and plugin_name is not None and not more.get("templar"):
            kept = options.steady(self, plugin_type, plugin_name, name)
            if kept is not None and kept.holds(keys, variables, direct):
                return kept.answer
        return ask(self, name, cfile, plugin_type, plugin_name, keys, variables, direct, **more)

    def get_plugin_options(self: Any, plugin_type: Any, name: Any, keys: Any = None, variables: Any = None, direct: Any = None) -> Any:
        whole = options.whole(self, plugin_type, name)
        values = dict(whole.values)
        for option in whole.again(keys, variables, direct):
            values[option] = self.get_config_value(
                option, plugin_type=plugin_type, plugin_name=name, keys=keys, variables=variables, direct=direct
            )
        return values

    def get_plugin_options_and_origins(
        self: Any, plugin_type: Any, name: Any, keys: Any = None, variables: Any = None, direct: Any = None
    ) -> Any:
        whole = options.whole(self, plugin_type, name)
        values, origins = dict(whole.values), dict(whole.origins)
        for option in whole.again(keys, variables, direct):
            values[option], origins[option] = ask(self, option, None, plugin_type, name, keys, variables, direct)
        return values, origins

    def initialize_plugin_configuration_definitions(self: Any, plugin_type: Any, name: Any, defs: Any) -> None:
        define(self, plugin_type, name, defs)
        options.forget(plugin_type, name)

    kind.get_config_value_and_origin = get_config_value_and_origin
    kind.initialize_plugin_configuration_definitions = initialize_plugin_configuration_definitions
    if hasattr(kind, "get_plugin_options_and_origins"):  # from 2.19 on the other one is made of it
        kind.get_plugin_options_and_origins = get_plugin_options_and_origins
    else:
        kind.get_plugin_options = get_plugin_options
    _install_file()
