"""[controller, worker] Whether this process is a worker, and which replica of the controller's variables it has."""

from __future__ import annotations

from typing import Any

_replica: Any = None


def replica() -> Any:
    """The replica of this process: None in the controller."""
    return _replica


def become(worker: Any) -> None:
    """[worker] From now on this process replays what the controller does."""
    global _replica
    _replica = worker
