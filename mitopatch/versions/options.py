"""[worker] An option that no variable, keyword or argument of a task sets has the same value for all hosts: it is worked out once.

A connection plugin has up to some forty options, asked for anew for each host-task; most come from the environment, ansible.cfg or
their defaults, which do not change while a worker lives. Not kept: what is a template, what may report a deprecation, containers
and paths (some kinds make a directory).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Optional

from ansible.config import manager as config

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


def steady(definition: Mapping[str, Any], answer: tuple[Any, Any]) -> bool:
    """Whether an answer that nothing of a task had a part in is good for all tasks."""
    value, origin = answer
    if definition.get("type") not in TYPES or not (value is None or isinstance(value, (str, int, float))):
        return False
    default = definition.get("default")
    if isinstance(default, str) and "{" in default:
        return False
    if origin == "default":
        return True
    entries = [entry for kind in ("env", "ini", "cli") for entry in _entries(definition, kind)]
    return "deprecated" not in definition and not any("deprecated" in entry for entry in entries)


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


def install() -> None:
    """Put it in place; this process is a worker for the rest of its life."""
    ask, define = config.ConfigManager.get_config_value_and_origin, config.ConfigManager.initialize_plugin_configuration_definitions
    known: dict[tuple[str, str, str], Optional[Steady]] = {}

    def get_config_value_and_origin(
        self: Any, name: str, cfile: Any = None, plugin_type: Any = None, plugin_name: Any = None,
        keys: Any = None, variables: Any = None, direct: Any = None, **more: Any,
    ) -> Any:  # fmt: skip
        key = (plugin_type, plugin_name, name)
        if cfile is None and plugin_type is not None and not more.get("templar"):
            kept = known.get(key)
            if kept is not None and kept.holds(keys, variables, direct):
                return kept.answer
            if kept is None and key not in known:
                return _learn(self, key, keys, variables, direct)
        return ask(self, name, cfile, plugin_type, plugin_name, keys, variables, direct, **more)

    def _learn(self: Any, key: tuple[str, str, str], keys: Any, variables: Any, direct: Any) -> Any:
        plugin_type, plugin_name, name = key
        answer = ask(self, name, None, plugin_type, plugin_name, keys, variables, direct)
        definition = self.get_configuration_definitions(plugin_type, plugin_name)[name]
        kept = Steady(answer, *sources(definition, name))
        if not steady(definition, answer):
            known[key] = None
        elif kept.holds(keys, variables, direct):
            known[key] = kept
        return answer

    def initialize_plugin_configuration_definitions(self: Any, plugin_type: Any, name: Any, defs: Any) -> None:
        define(self, plugin_type, name, defs)
        for key in [key for key in known if key[:2] == (plugin_type, name)]:
            del known[key]

    config.ConfigManager.get_config_value_and_origin = get_config_value_and_origin
    config.ConfigManager.initialize_plugin_configuration_definitions = initialize_plugin_configuration_definitions
    _install_file()
