"""Shipping a graph of objects to the workers once, and naming its members ever after.

A worker starts as a fork of the controller, so it already has all that existed then. What comes later (the next
play, an included file) is pickled once and the same bytes go to every worker. Both sides number the objects of the
*shared kinds* (play, block, task, role, ...) as they pass; a number stands for the object from then on. Objects that
both sides have by another name (the loader, the inventory, a host) travel as that name.

Two processes agree on the numbers because only the controller gives them out, and because they travel inside the pickle.
"""

from __future__ import annotations

import io
import pickle  # nosec B403 # both ends are one program over an inherited socket pair
from collections.abc import Hashable
from types import MappingProxyType
from typing import Any, Callable, Optional

from mitopatch.runtime import rest

NameOf = Callable[[Any], Optional[Hashable]]
Reducers = dict[type, Callable[[Any], Any]]

#: Of what is one of these nothing is shared.
LEAVES = (type, str, bytes, int, float)

#: The registry of this process; set by Registry.activate.
_active: Optional[Registry] = None


class Unshippable(Exception):
    """[controller] This graph has a member that cannot be pickled; the task must take the fork route."""


def _named(name: Hashable) -> Any:
    if _active is None:
        raise RuntimeError("no registry in this process")
    return _active.by_name(name)


def _numbered(number: int) -> Any:
    if _active is None:
        raise RuntimeError("no registry in this process")
    return _active.objects[number]


def _new(number: int, cls: type) -> Any:
    if _active is None:
        raise RuntimeError("no registry in this process")
    obj: Any = object.__new__(cls)
    _active.objects[number] = obj
    return obj


def _read_only(mapping: dict[Any, Any]) -> Any:
    # The class itself cannot be pickled: it is not in builtins, where it says it is.
    return MappingProxyType(mapping)


def _set_state(obj: Any, state: dict[str, Any]) -> None:
    obj.__dict__.update(state)


class Registry:
    """[controller, worker] The shared objects of a run by number.

    ``kinds``: classes whose instances are shared by number. ``name_of(obj)`` gives the name of what both sides have,
    or None; ``by_name(name)`` finds it in this process. ``reducers``: how instances of some other classes are pickled.
    """

    def __init__(
        self,
        kinds: tuple[type, ...],
        name_of: NameOf,
        by_name: Callable[[Hashable], Any],
        ignore: tuple[str, ...] = (),
        reducers: Optional[Reducers] = None,
    ) -> None:
        self.kinds = kinds
        self.name_of = name_of
        self.by_name = by_name
        self._ignore = frozenset(ignore)
        self.reducers: Reducers = reducers or {}
        self.objects: dict[int, Any] = {}
        self._numbers: dict[int, int] = {}  # id(object) -> number; the object is kept alive by `objects`
        self._shipped: dict[int, dict[str, Any]] = {}  # number -> attributes as the workers know them
        self._last = 0
        self._undo: list[int] = []

    def activate(self) -> None:
        """Make this the registry that pickles loaded in this process refer to."""
        global _active
        _active = self

    def number(self, obj: Any) -> Optional[int]:
        """[controller] The number of an object that the workers have, or None."""
        return self._numbers.get(id(obj))

    def adopt(self, obj: Any) -> int:
        """[controller] Give an object its number."""
        self._last += 1
        self.objects[self._last] = obj
        self._numbers[id(obj)] = self._last
        self._shipped[self._last] = dict(obj.__dict__)
        self._undo.append(self._last)
        return self._last

    def clear(self) -> None:
        """[controller, worker] Forget all objects; numbers are not used again. Both sides, in order with the messages."""
        self.objects.clear()
        self._numbers.clear()
        self._shipped.clear()

    def dump(self, value: Any) -> bytes:
        """[controller] Pickle ``value``, adopting the shared objects in it; raises Unshippable and adopts nothing if that fails.

        The bytes must go to every worker, since all of them are taken to know the adopted objects afterwards.
        """
        self._undo = []
        out = io.BytesIO()
        try:
            _Shipper(out, self).dump(value)
        except Exception as exc:
            for number in self._undo:
                obj = self.objects.pop(number)
                del self._numbers[id(obj)], self._shipped[number]
            raise Unshippable(f"{type(exc).__name__}: {exc}") from exc
        return out.getvalue()

    def changes(self, number: int) -> dict[str, Any]:
        """[controller] The attributes that were given another value since the workers last heard of this object (see ``told``).

        Compared by identity: a value changed in place is not seen, and upstream does not do that to what it queues.
        """
        obj, shipped = self.objects[number], self._shipped[number]
        changed = {}
        for key, value in obj.__dict__.items():
            if shipped.get(key, self) is not value and key not in self._ignore:
                changed[key] = value
        return changed

    def told(self, number: int, changed: dict[str, Any]) -> None:
        """[controller] The workers have been sent these changes. Not before they could be pickled: else they would be forgotten."""
        self._shipped[number].update(changed)


class _Shipper(pickle.Pickler):
    def __init__(self, out: io.BytesIO, registry: Registry) -> None:
        super().__init__(out, protocol=5)
        self._registry = registry

    def reducer_override(self, obj: Any) -> Any:
        registry = self._registry
        reduced = registry.reducers.get(type(obj))
        if reduced is not None:
            return reduced(obj)
        if isinstance(obj, LEAVES):  # no more than a value, and there may be very many
            return NotImplemented
        if type(obj) is MappingProxyType:
            # A role that has been compared with another one keeps what it was compared by, in such mappings.
            return _read_only, (dict(obj),)
        number = registry.number(obj)
        if number is not None:
            return _numbered, (number,)
        name = registry.name_of(obj)
        if name is not None:
            return _named, (name,)
        if isinstance(obj, registry.kinds):
            return _new, (registry.adopt(obj), type(obj)), obj.__dict__, None, None, _set_state
        return NotImplemented


def load(data: bytes) -> Any:
    """[worker] Load what Registry.dump made, into the active registry."""
    return rest.loads(data)


def update(number: int, changed: dict[str, Any]) -> None:
    """[worker] Give a known object the attributes that the controller changed."""
    if _active is None:
        raise RuntimeError("no registry in this process")
    _active.objects[number].__dict__.update(changed)
