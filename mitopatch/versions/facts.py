"""[controller, worker] A fact cache plugin that reads what the real one has and keeps what is written to itself.

The controller writes facts to a persistent cache once; a worker that replays the same mutation must not write again. Nor
may it see on disk what the controller has written since: that comes as an operation, in its turn. So a worker begins with
what was in the cache of the play's hosts when it was forked, and is told what is in it of further hosts before they have a part in
a play, or are written. Of others it reads it when they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple


class Cached(NamedTuple):
    """What a cache has of some hosts: a host without a value has none."""

    hosts: frozenset[str]
    values: dict[str, Any]


def read(plugin: Any, hosts: Iterable[str]) -> Cached:
    """[controller] What the cache has of these hosts, as it is before a fork. Not by ``keys()``: jsonfile's needs a prefix."""
    seen, values = set(), {}
    for host in hosts:
        try:
            if plugin.contains(host):
                values[host] = plugin.get(host)
        except KeyError:
            seen.add(host)
        except Exception:  # noqa: S112 # nosec B112 # whatever a plugin raises: whoever reads this host's facts will see it
            continue
        else:
            seen.add(host)
    return Cached(frozenset(seen), values)


def shared(cached: Cached) -> set[str]:
    """[worker] The hosts whose facts are one and the same object as another host's (see ``Worker.alias``)."""
    owners: dict[int, list[str]] = {}
    for host, value in cached.values.items():
        owners.setdefault(id(value), []).append(host)
    return {host for hosts in owners.values() if len(hosts) > 1 for host in hosts}


class OverlayCache:
    """[worker] Stands for a cache plugin (``ansible.plugins.cache.BaseCacheModule``'s interface)."""

    def __init__(self, plugin: Any, cached: Cached) -> None:
        self._plugin = plugin
        self._known = cached.hosts
        self._written: dict[str, Any] = dict(cached.values)
        self._deleted: set[str] = set()

    def know(self, cached: Cached) -> None:
        """What the cache has of further hosts, before the first operation on them."""
        new = cached.hosts - self._known
        self._known |= new
        for key in new:
            # It may have been read here too early.
            self._written.pop(key, None)
            if key in cached.values:
                self._written[key] = cached.values[key]

    def get(self, key: str) -> Any:
        """The value of ``key``; KeyError (or what the plugin does) if there is none."""
        if key in self._written:
            return self._written[key]
        if key in self._deleted or key in self._known:
            raise KeyError(key)
        found = self._written[key] = self._plugin.get(key)
        return found

    def set(self, key: str, value: Any) -> None:
        """Keep a value in this process."""
        self._deleted.discard(key)
        self._written[key] = value

    def keys(self) -> list[str]:
        """All keys."""
        mine = self._deleted.union(self._known, self._written)
        return [*(set(self._plugin.keys()) - mine), *self._written]

    def contains(self, key: str) -> bool:
        """Whether there is a value."""
        return key in self._written or (key not in self._deleted and key not in self._known and bool(self._plugin.contains(key)))

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
