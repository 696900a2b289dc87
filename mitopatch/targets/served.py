"""[worker] What a target may ask this worker for: modules that its own tasks need, and files that are being sent to it.

Mitogen's responder gives any module of ansible-core, of any collection and of ours to whoever asks, its file service any file that was
ever sent to anybody. Plain Ansible sends a host the `module_utils` that its tasks import, and its own files.
"""

from __future__ import annotations

import contextlib
import logging
import re
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import mitogen.core
import mitogen.master
import mitogen.service

from mitopatch.targets import imports

LOG = logging.getLogger(__name__)

#: What an interpreter runs by itself, all of it public: Mitogen, its part for targets, ours, and what every module may import.
EVERYBODY = re.compile(
    r"mitogen(\.\w+)*"
    r"|ansible_mitogen(\.(compat(\.\w+)*|runner|target))?"
    r"|mitopatch(\.targets(\.(hops|onboard|surroundings))?)?"
    r"|ansible(\._vendor|\.release|\.module_utils(\.\w+)*)?"
)
#: Where modules of collections have what they share, and the packages around it. What it imports of others is found in the same way.
COLLECTION_UTILS = re.compile(r"ansible_collections(\.\w+(\.\w+(\.plugins(\.module_utils(\.\w+)*)?)?)?)?")
#: Services and methods that a target may call. docs/security.md has the list.
SERVED = frozenset({("mitogen.service.FileService", "fetch"), ("mitogen.service.FileService", "acknowledge")})
#: How often a target may ask for modules in the life of a connection: nearly all are sent before it asks.
MOST_MODULES = 2_000
#: Bytes of the largest message, in both directions: a module's whole answer is one. Upstream has no bound, ansible_mitogen has 4 GiB.
LARGEST_MESSAGE = 256 * 1024 * 1024
#: Bytes that may wait for a target that does not read: one such message, and some more. The window of a transfer is one MiB.
MOST_WAITING = LARGEST_MESSAGE + 64 * 1024 * 1024


class ImportPolicy(mitogen.core.ImportPolicy):  # type: ignore[misc]
    """[worker] Which modules go to any target at all, asked for or with another that imports them."""

    def denied(self, fullname: str) -> Any:
        """See the base class."""
        of_targets = EVERYBODY.fullmatch(fullname) or COLLECTION_UTILS.fullmatch(fullname)
        return super().denied(fullname) if of_targets else mitogen.core.ModuleDeniedByBlocksError


class ModuleResponder(mitogen.master.ModuleResponder):  # type: ignore[misc]
    """[worker] Mitogen's responder, for what the tasks of a target need."""

    def _on_get_module(self, msg: Any) -> None:
        peer = None if msg.is_dead else self._router.peer_of(msg.src_id)
        if peer is None:
            return
        peer.asked += 1
        if peer.asked > MOST_MODULES:
            self._router.refuse(peer, "a flood of requests")
            return
        name = msg.data.decode("ascii", "replace")
        if EVERYBODY.fullmatch(name) or name in peer.modules:
            super()._on_get_module(msg)
        else:
            LOG.debug("%s asks for %r, which is not for it", peer.stream.name, name)
            self._send_module_load_failed(peer.stream, name)

    def allow(self, number: int, names: Iterable[str]) -> None:
        """Let the target of this interpreter have these modules. Any thread may call this."""
        peer = self._router.peer_of(number)
        if peer is not None:
            peer.modules.update(names)

    def shared_by(self, name: str, source: bytes) -> frozenset[str]:
        """Return the names of what a module of this name and text imports of collections, directly or not. Any thread."""
        names: set[str] = set()
        texts = [(name, source)]
        while texts:
            for imported in _imports_of_collections(*texts.pop()):
                if imported not in names:
                    names.add(imported)
                    _path, text, is_package = self._finder.get_module_source(imported)
                    if text is not None:
                        # Relative imports of a package count from itself.
                        texts.append((f"{imported}.__init__" if is_package else imported, text))
        return frozenset(names)


def _imports_of_collections(name: str, source: bytes) -> Iterator[str]:
    try:
        statements = imports.statements(source, name)
    except (SyntaxError, ValueError):  # the module says so itself, on the target
        return
    for level, module, members in statements:
        package = name.rsplit(".", level)[0] if level > 0 else ""
        whole = ".".join(filter(None, (package, module)))
        for imported in (whole, *(f"{whole}.{member}" for member in members)):
            if COLLECTION_UTILS.fullmatch(imported):
                parts = imported.split(".")
                yield from (".".join(parts[:end]) for end in range(1, len(parts) + 1))


class FileService(mitogen.service.FileService):  # type: ignore[misc]
    """[worker] Mitogen's file service: a file is for the interpreter to which it is being sent, and for no longer than that takes."""

    def __init__(self, router: Any) -> None:
        super().__init__(router)
        self._grants_lock = threading.Lock()
        #: By the number of an interpreter and a path: how many transfers of it are under way.
        self._grants: dict[tuple[int, Any], int] = {}
        self._sending = threading.local()

    @classmethod
    def name(cls) -> str:
        """The name under which targets ask for it."""
        return "mitogen.service.FileService"

    @contextlib.contextmanager
    def sending(self, connection: Any) -> Iterator[None]:
        """Take what this thread registers as sent to this connection, until the end of the ``with``."""
        self._sending.connection = connection
        self._sending.grants = []
        try:
            yield
        finally:
            with self._grants_lock:
                for grant in self._sending.grants:
                    self._grants[grant] -= 1
                    if not self._grants[grant]:
                        del self._grants[grant]
                        self._paths.discard(grant[1])
            del self._sending.connection

    @mitogen.service.expose(policy=mitogen.service.AllowParents())  # type: ignore[untyped-decorator,unused-ignore]
    @mitogen.service.arg_spec({"path": mitogen.core.FsPathTypes})  # type: ignore[untyped-decorator,unused-ignore]
    def register(self, path: Any) -> None:
        """See the base class; raises AttributeError outside of `sending`."""
        grant = (self._sending.connection.context.context_id, path)
        with self._grants_lock:
            self._grants[grant] = self._grants.get(grant, 0) + 1
            self._paths.add(path)
        self._sending.grants.append(grant)

    @mitogen.service.expose(policy=mitogen.service.AllowAny())  # type: ignore[untyped-decorator,unused-ignore]
    @mitogen.service.no_reply()  # type: ignore[untyped-decorator,unused-ignore]
    @mitogen.service.arg_spec({"path": mitogen.core.FsPathTypes, "sender": mitogen.core.Sender})  # type: ignore[untyped-decorator,unused-ignore]
    def fetch(self, path: Any, sender: Any, msg: Any) -> None:
        """See the base class."""
        if (msg.src_id, path) in self._grants:
            super().fetch(path, sender, msg)
        else:
            msg.reply(mitogen.core.CallError(mitogen.service.Error(self.unregistered_msg % (path,))))

    @mitogen.service.expose(policy=mitogen.service.AllowAny())  # type: ignore[untyped-decorator,unused-ignore]
    @mitogen.service.no_reply()  # type: ignore[untyped-decorator,unused-ignore]
    @mitogen.service.arg_spec({"size": int})  # type: ignore[untyped-decorator,unused-ignore]
    def acknowledge(self, size: int, msg: Any) -> None:
        """See the base class, which sends more to whoever says that it has read."""
        peer = self.router.peer_of(msg.src_id)
        state = peer and self._state_by_stream.get(peer.stream)
        if state is None or not 0 < size <= state.unacked or peer.stream.protocol.pending_bytes() > MOST_WAITING:
            self.router.refuse(peer, "receipts for what it was not sent")
        else:
            super().acknowledge(size, msg)


class PushFileService(mitogen.service.PushFileService):  # type: ignore[misc]
    """[worker] Mitogen's service that sends the text of modules ahead; a target may have ended just before."""

    @classmethod
    def name(cls) -> str:
        """The name under which ansible_mitogen's planner asks for it."""
        return "mitogen.service.PushFileService"

    def _forward(self, context: Any, path: Any) -> None:
        if self.router.stream_by_id(context.context_id) is None:
            raise mitogen.core.ChannelError(mitogen.core.Router.respondent_disconnect_msg)
        super()._forward(context, path)


class Pool(mitogen.service.Pool):  # type: ignore[misc]
    """[worker] Mitogen's threads for services, whose messages all come from targets: this worker calls methods."""

    def _on_service_call(self, event: Any) -> None:
        msg = event.data
        try:
            if self._is_served(msg):
                super()._on_service_call(event)
            else:
                msg.reply(mitogen.core.CallError("not served"))
        finally:
            self.router.request_served(msg)

    @staticmethod
    def _is_served(msg: Any) -> bool:
        request = msg.unpickle(throw=False)
        return type(request) is tuple and len(request) == 3 and all(type(part) is str for part in request[:2]) and request[:2] in SERVED
