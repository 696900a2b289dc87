"""[worker] A fact cache plugin that reads what the real one has and keeps what is written to itself.

The controller writes facts to a persistent cache once; a worker that replays the same mutation must not write again.
"""

from __future__ import annotations

from typing import Any


class OverlayCache:
    """Stands for a cache plugin (``ansible.plugins.cache.BaseCacheModule``'s interface)."""

    def __init__(self, plugin: Any) -> None:
        self._plugin = plugin
        self._written: dict[str, Any] = {}
        self._deleted: set[str] = set()

    def get(self, key: str) -> Any:
        """The value of ``key``; KeyError (or what the plugin does) if there is none."""
        if key in self._written:
            return self._written[key]
        if key in self._deleted:
            raise KeyError(key)
        return self._plugin.get(key)

    def set(self, key: str, value: Any) -> None:
        """Keep a value in this process."""
        self._deleted.discard(key)
        self._written[key] = value

    def keys(self) -> list[str]:
        """All keys."""
        return [key for key in self._plugin if key not in self._deleted and key not in self._written] + list(self._written)

    def contains(self, key: str) -> bool:
        """Whether there is a value."""
        return key in self._written or (key not in self._deleted and bool(self._plugin.contains(key)))

    def delete(self, key: str) -> None:
        """Forget a value in this process."""
        self._written.pop(key, None)
        self._deleted.add(key)

    def flush(self) -> None:
        """Forget all values in this process."""
        self._deleted.update(self._plugin.keys())
        self._written.clear()

    def copy(self) -> dict[str, Any]:
        """All values."""
        return {key: self.get(key) for key in self.keys()}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plugin, name)
