"""[controller, worker] The options that a plugin of ansible-core documents are read when somebody asks for them.

Upstream parses the documentation of every plugin it loads, most of it for plugins that then do nothing (a dozen callbacks that are
not enabled, the inventory plugins that do not fit): 60 to 190 ms of a start (2.16, 2.21). Plugins of others are read at once,
so that an error in their documentation comes when and where it always came.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, Callable

from ansible import constants
from ansible import plugins as ansible_plugins

from mitopatch.versions import plugin_lock

_OWN = os.path.dirname(ansible_plugins.__file__) + os.sep

#: What to do with the module of a plugin of ansible-core's when it is there, by its path.
_awaited: dict[str, Callable[[Any], None]] = {}


def when_loaded(path: str, use: Callable[[Any], None]) -> None:
    """[worker] ``use(module)``, once, when a plugin of ansible-core's is looked up; ``path`` is below the directory of its plugins."""
    _awaited[_OWN + path] = use


class Later(dict):  # type: ignore[type-arg]
    """Plugin's name -> its options, of one type of plugin: ``ConfigManager._plugins[type]``, for 2.11 to 2.21.

    Under the lock of the plugin loaders, because to read documentation is to load the plugins of its fragments.
    """

    def __init__(self, known: dict[str, Any]) -> None:
        super().__init__(known)
        self._waiting: dict[str, Callable[[], None]] = {}

    def wait(self, name: str, read: Callable[[], None]) -> None:
        """``read()`` puts the options of ``name`` here, when they are wanted."""
        self._waiting[name] = read

    def waits(self, name: str) -> bool:
        """Whether they are still to be read."""
        return name in self._waiting

    def _read(self, name: Any) -> None:
        if name in self._waiting:
            with plugin_lock.held():
                # Not before it has been read is it gone from there: another thread waits for the lock above.
                read = self._waiting.get(name)
                if read is not None and read is not _being_read:
                    self._waiting[name] = _being_read
                    try:
                        read()
                    finally:
                        del self._waiting[name]

    def _read_all(self) -> None:
        for name in list(self._waiting):
            self._read(name)

    def __getitem__(self, name: Any) -> Any:
        self._read(name)
        return super().__getitem__(name)

    def get(self, name: Any, default: Any = None) -> Any:
        """As a dictionary's."""
        self._read(name)
        return super().get(name, default)

    def __contains__(self, name: Any) -> bool:
        self._read(name)
        return super().__contains__(name)

    def __iter__(self) -> Iterator[Any]:
        self._read_all()
        return super().__iter__()

    def __len__(self) -> int:
        self._read_all()
        return super().__len__()

    def keys(self) -> Any:
        """As a dictionary's."""
        self._read_all()
        return super().keys()

    def values(self) -> Any:
        """As a dictionary's."""
        self._read_all()
        return super().values()

    def items(self) -> Any:
        """As a dictionary's."""
        self._read_all()
        return super().items()

    def copy(self) -> dict[str, Any]:
        """As a dictionary's."""
        self._read_all()
        return dict(super().items())


def _being_read() -> None:
    """Stands for what is being read on the thread that holds the lock."""


# PluginLoader._load_config_defs(self, name, module, path), 2.11 to 2.21
def load_config_defs(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    """Wrap: for a plugin of ansible-core's own, later."""
    given = {**dict(zip(("name", "module", "path"), args)), **kwargs}
    name, path = given["name"], given["path"]
    if path in _awaited:
        _awaited.pop(path)(given["module"])
    if not instance.class_name or not isinstance(path, str) or not path.startswith(_OWN):
        return wrapped(*args, **kwargs)
    kind = ansible_plugins.get_plugin_class(instance.class_name)
    plugins = getattr(constants.config, "_plugins", None)
    if not isinstance(plugins, dict) or kind not in constants.CONFIGURABLE_PLUGINS:
        return wrapped(*args, **kwargs)
    known = plugins.get(kind)
    if not isinstance(known, Later):
        known = plugins[kind] = Later(known or {})
    if not known.waits(name) and name not in known:
        known.wait(name, lambda: wrapped(*args, **kwargs))
    return None
