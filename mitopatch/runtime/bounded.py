"""[controller, worker] A memory of what was worked out, of bounded size."""

from __future__ import annotations

from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Bounded(dict[K, V]):
    """[controller, worker] A dictionary that a new key empties first when it has ``most`` keys.

    What is in use comes back at once; an order of use would cost more at each look than that, once in a long while. A thread that
    looks meanwhile finds less, never something else.
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def __setitem__(self, key: K, value: V) -> None:
        if len(self) >= self._most and key not in self:
            self.clear()
        super().__setitem__(key, value)
