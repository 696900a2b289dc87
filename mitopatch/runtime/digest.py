"""[controller, worker] A digest of a value that comes out the same in two processes if, and only if, the value is the same.

What counts: types, text, numbers, the order of lists and of dictionaries, and what a family of releases adds (``mark``: that a
string may not be templated, its tags). What does not: addresses, the order of sets, the objects that Ansible works with
(a loader, a templating engine), of which there is one in each process. Nothing is printed, templated or decrypted for it.

Digests are keyed: whoever sees one cannot find a short secret by trial.
"""

from __future__ import annotations

import datetime
import functools
import hashlib
import types
from collections.abc import Callable, Iterable
from typing import Any, Optional

#: What a family says of a value: None (nothing special), or a label and what is to be digested in its place.
Mark = Callable[[Any], Optional[tuple[str, Any]]]

_PLAIN = frozenset({type(None), bool, int, float, complex, datetime.date, datetime.datetime, datetime.time, datetime.timedelta})
_CONTAINERS = frozenset({dict, list, tuple})
_BY_NAME = (type, types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.ModuleType, functools.partial)


class Digester:
    """Digests of the values of one moment; keep none from one moment to the next, since it remembers values by address."""

    def __init__(self, key: bytes, mark: Mark) -> None:
        self._key = key
        self._mark = mark
        self._known: dict[int, bytes] = {}
        self._alive: list[Any] = []
        self._open: dict[int, int] = {}

    def of(self, value: Any) -> bytes:
        """The digest of one value."""
        return self._hash(b"", (self._token(value),))

    def _token(self, value: Any) -> bytes:
        """Scalars stand for themselves, everything else is hashed."""
        kind = type(value)
        if kind is str:
            return b"s" + value.encode("utf-8", "surrogatepass")  # type: ignore[no-any-return]
        if kind in _PLAIN:
            return f"{kind.__name__} {value!r}".encode()
        ident = id(value)
        known = self._known.get(ident)
        if known is not None:
            return known
        if ident in self._open:  # it contains itself: how many levels up says where
            return b"c%d" % (len(self._open) - self._open[ident])
        self._open[ident] = len(self._open)
        try:
            found = b"h" + self._of(value, kind)
        except RecursionError:
            found = b"deep"
        finally:
            del self._open[ident]
        self._known[ident] = found
        self._alive.append(value)  # or its address could be another value's
        return found

    def _of(self, value: Any, kind: type) -> bytes:
        marked = None if kind in _CONTAINERS else self._mark(value)
        if marked is not None:
            label, inner = marked
            return self._hash(label.encode(), (self._token(inner),))
        name = f"{kind.__module__}.{kind.__qualname__}".encode()
        if isinstance(value, str):
            return self._hash(name, (str.__str__(value).encode("utf-8", "surrogatepass"),))
        if isinstance(value, (bytes, bytearray)):
            return self._hash(name, (bytes(value),))
        if isinstance(value, dict):
            return self._hash(name, (self._token(part) for pair in dict.items(value) for part in pair))
        if isinstance(value, (list, tuple)):
            return self._hash(name, (self._token(item) for item in iter(value)))
        if isinstance(value, (set, frozenset)):
            return self._hash(name, sorted(self._token(item) for item in value))
        if isinstance(value, (int, float)):
            return self._hash(name, (repr(value + 0).encode(),))
        if isinstance(value, _BY_NAME):
            return self._hash(name, (str(getattr(value, "__module__", "")).encode(), str(getattr(value, "__qualname__", "")).encode()))
        return self._hash(name, (self._of_object(value),))

    def _of_object(self, value: Any) -> bytes:
        """Any other object: what it would be pickled as, walked in the same way."""
        try:
            reduced = value.__reduce_ex__(4)
        except Exception:  # whatever an object of somebody else raises: then its type is all that counts
            return b""
        if isinstance(reduced, str):
            return reduced.encode()
        parts = list(reduced)
        for place in (3, 4):  # iterators over items
            if len(parts) > place and parts[place] is not None:
                parts[place] = list(parts[place])
        return self._token(parts)

    def _hash(self, label: bytes, parts: Iterable[bytes]) -> bytes:
        pieces = [b"%d:" % len(label), label]
        for part in parts:
            pieces += (b"%d:" % len(part), part)
        return hashlib.blake2b(b"".join(pieces), key=self._key, digest_size=12).digest()
