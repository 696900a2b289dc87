"""[worker] What a worker need not do anew for each new connection: with a hundred hosts a third of its work on the first task.

Mitogen reads the program with which a connection begins out of its own source, by tokens, for each interpreter it starts; and it forks
the worker, with all its memory, for each ssh, because it would run a hook in the child. Without a hook Python starts it by vfork.
And it pickles each module anew for each target: a third of what its broker, one thread, does while hosts connect. The pickle is half
as long again as the module, which ssh then compresses a second time.
"""

from __future__ import annotations

import functools
import inspect
import io
import logging
import pickle  # nosec B403 # only written here
import struct
import subprocess  # nosec B404 # starts what Mitogen starts
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Optional

import mitogen.core
import mitogen.master
import mitogen.parent

LOG = logging.getLogger(__name__)

#: Seconds from the first connection to the first module that is made ahead.
SOON = 0.005

_popen = mitogen.parent.popen
_build_tuple = mitogen.master.ModuleResponder._build_tuple
_pickled = mitogen.core.Message.pickled


class _Sources:
    """Stands for the module ``inspect`` in mitogen.parent, which asks for one function's source."""

    getsource = staticmethod(functools.lru_cache(maxsize=8)(inspect.getsource))
    getsourcelines = staticmethod(functools.lru_cache(maxsize=8)(inspect.getsourcelines))

    def __getattr__(self, name: str) -> Any:
        return getattr(inspect, name)


class Command(list[str]):
    """A command of which `popen` tells Popen more than Mitogen does."""

    def __init__(self, words: Iterable[str], more: dict[str, Any]) -> None:
        super().__init__(words)
        self.more = more


def popen(**kwargs: Any) -> Any:
    """Stands for mitogen.parent.popen: without the function in the child where it would do nothing."""
    if isinstance(kwargs["args"], Command):
        kwargs.update(kwargs["args"].more)
    if mitogen.parent._preexec_hook or kwargs.get("preexec_fn"):
        return _popen(**kwargs)
    return subprocess.Popen(**kwargs)  # nosec B603 # what Mitogen would start


_Pickler: Any = pickle._Pickler


class _Raw(_Pickler):  # type: ignore[misc]
    """Writes bytes as Python 2 did, without the detour by text: Mitogen reads them so, in every Python."""

    def _save_bytes(self, obj: bytes) -> None:
        self.write(pickle.BINSTRING + struct.pack("<i", len(obj)) + obj)

    dispatch: ClassVar[dict[Any, Any]] = {**_Pickler.dispatch, bytes: _save_bytes}


class _Module(tuple):  # type: ignore[type-arg]
    """A module as Mitogen's responder has it, with the bytes that each target gets."""

    _data: Optional[bytes] = None

    def data(self) -> bytes:
        """Its pickle."""
        if self._data is None:
            _Raw(file := io.BytesIO(), 2).dump(tuple(self))
            self._data = file.getvalue()
        return self._data


def build_tuple(self: Any, fullname: str) -> _Module:
    """Stands for mitogen.master.ModuleResponder._build_tuple, which answers from its cache from the second time on."""
    found = _build_tuple(self, fullname)
    if not isinstance(found, _Module):
        found = self._cache[fullname] = _Module(found)
    return found


def pickled(*args: Any, **kwargs: Any) -> Any:
    """Stands for mitogen.core.Message.pickled: a module is pickled for the first target only."""
    if not args or not isinstance(args[0], _Module):
        return _pickled(*args, **kwargs)
    return mitogen.core.Message(enc=mitogen.core.Message.ENC_PKL, data=args[0].data(), **kwargs)


class Ahead:
    """Makes the modules that every target gets while the first ones are being connected, which is when the broker has nothing to do."""

    def __init__(self, router: Any, names: Iterable[str]) -> None:
        """``names``: as for ``ModuleResponder.forward_modules``."""
        self._responder = router.responder
        self._broker = router.broker
        self._modules = self._make(names)

    def start(self) -> None:
        """Begin soon, after the first connection has been begun. Any thread may call this."""
        self._broker.defer(self._after, SOON)

    def _after(self, seconds: float) -> None:
        self._broker.timers.schedule(mitogen.core.now() + seconds, self._next)

    def _next(self) -> None:
        # One at a time: a target that answers, or another one that is to be connected, does not wait for all of them.
        try:
            more = next(self._modules, None) is not None
        except Exception:
            LOG.debug("modules ahead", exc_info=True)  # Mitogen will meet it too, and tell the target
        else:
            if more and self._broker._alive:
                self._after(0.0)

    def _make(self, names: Iterable[str]) -> Iterator[str]:
        made: set[str] = set()
        for name in names:
            parts = name.split(".")
            for end in range(1, len(parts) + 1):
                # In the order of ModuleResponder._send_module_and_related, and no more than that sends.
                package = ".".join(parts[:end])
                if package in made:
                    continue
                for other in (*build_tuple(self._responder, package)[4], package):
                    top = other.partition(".")[0]
                    if other not in made and (top == package or top in made):
                        made.add(other)
                        build_tuple(self._responder, other).data()
                        yield other


def install() -> None:
    """Put all in place; this process is a worker for the rest of its life."""
    mitogen.parent.inspect = _Sources()
    mitogen.parent.popen = popen
    mitogen.master.ModuleResponder._build_tuple = build_tuple
    mitogen.core.Message.pickled = staticmethod(pickled)
