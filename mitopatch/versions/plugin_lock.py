"""[controller, worker] One lock around plugin loading.

``PluginLoader`` puts a plugin's module into ``sys.modules`` and its cache before the module has run, so a second
thread sees it half imported ("module ... has no attribute 'Connection'"). Upstream never loads plugins on two threads.

The lock is re-entrant, since a plugin's module or constructor may load plugins. It can be held by another thread when
the process forks, so a child starts with a fresh one.
"""

from __future__ import annotations

import os
import threading
from typing import Any, Optional

_lock = threading.RLock()
#: Counts the changes of the loaders' directories.
generation = 0
#: In a worker: loader -> its plugin files. Loaders live as long as the process, so their id is a safe key.
_paths: Optional[dict[int, list[str]]] = None


def _renew() -> None:
    global _lock
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_renew)


def held() -> Any:
    """The lock itself, for a ``with``."""
    return _lock


def locked(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    """Wrapper: call under the lock."""
    with _lock:
        return wrapped(*args, **kwargs)


def locked_iteration(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    """Wrapper for a generator: run it to its end under the lock, then hand out what it gave."""
    with _lock:
        if _paths is None or args or kwargs != {"path_only": True}:
            return iter(list(wrapped(*args, **kwargs)))
        # clean_facts lists all connection plugins by glob for every host-task: 16% of a worker's time (2.16, set_fact).
        if id(instance) not in _paths:
            _paths[id(instance)] = list(wrapped(*args, **kwargs))
        return iter(list(_paths[id(instance)]))


def remember_paths() -> None:
    """[worker] From now on, list the files of a plugin type once (until a directory is added)."""
    global _paths
    _paths = {}


def forget_paths() -> None:
    """A directory was added to a plugin loader."""
    global generation
    generation += 1
    if _paths is not None:
        _paths.clear()
