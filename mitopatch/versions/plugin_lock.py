"""[controller, worker] One lock around plugin loading.

``PluginLoader`` puts a plugin's module into ``sys.modules`` and its cache before the module has run, so a second
thread sees it half imported ("module ... has no attribute 'Connection'"). Upstream never loads plugins on two threads.

The lock is re-entrant, since a plugin's module or constructor may load plugins. It can be held by another thread when
the process forks, so a child starts with a fresh one.
"""

from __future__ import annotations

import os
import threading
from typing import Any

_lock = threading.RLock()


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
        return iter(list(wrapped(*args, **kwargs)))
