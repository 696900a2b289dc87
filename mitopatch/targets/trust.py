"""[worker] Mitogen's router as a worker has it: no target is trusted.

Mitogen routes messages between all interpreters of a run, and believes what an interpreter says of itself and of those behind it. Here
each connection is an island. A message that comes in on a stream is from an interpreter behind it, for this worker, and for one of
`HANDLES` or for somebody who waits for an answer from there. Nothing is forwarded to another stream. Who breaks that is disconnected, and
its host is unreachable (MP220). What honest interpreters do, such as to answer after the time for it, is let go.

All of it happens on the broker's thread, where Mitogen handles messages, unless a docstring says otherwise.
"""

from __future__ import annotations

import struct
import threading
from typing import Any, Callable, Optional

import mitopatch.targets.release  # noqa: F401 - before ansible_mitogen

import ansible_mitogen.connection
import mitogen
import mitogen.core
import mitogen.master
import mitogen.parent

from mitopatch.errors import Reason
from mitopatch.targets import answers, logs, numbers, served, ssh_words

#: What a target may send without having been asked, and how many bytes a message of it may have. docs/security.md has the list.
HANDLES = {
    mitogen.core.GET_MODULE: 512,
    mitogen.core.FORWARD_LOG: 1024 * 1024,
    mitogen.core.ADD_ROUTE: 1024,
    mitogen.core.DEL_ROUTE: 1024,
    mitogen.core.ALLOCATE_ID: 1024,
    mitogen.core.CALL_SERVICE: 64 * 1024,
    mitogen.core.GET_RESOURCE: 4096,
}
#: Where Mitogen begins to number those who wait for an answer.
FIRST_ANSWER = 1000
#: How many messages a target may send at once without having been asked, and how many a second after that. Not counted: records of its
#: log and requests to services, which have bounds of their own.
BURST, RATE = 5_000, 500
#: Requests of one target that may wait for a service.
MOST_REQUESTS = 256
#: Messages of a transfer that may wait to be written: its window has eight, of 128 KiB.
MOST_CHUNKS = 64
CHUNK = 256 * 1024


class Peer:
    """[worker] One stream: the interpreter at its other end and those behind that, which are on the same target."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        #: The number of the interpreter at the other end.
        self.number: int = stream.protocol.remote_id
        #: Numbers that were given to it, for interpreters that it starts.
        self.blocks: list[range] = []
        #: Numbers of interpreters that it has told us of, each once.
        self.announced: set[int] = set()
        #: What modules and their libraries it may ask for, beyond `served.EVERYBODY`.
        self.modules: set[str] = set()
        #: How often it has asked for modules.
        self.asked = 0
        #: Requests that wait for a service, or are being served; changed on several threads.
        self.requests = 0
        self.unasked = logs.Allowance(BURST, RATE)
        #: What of its log is handled.
        self.log = logs.Quota()
        #: Why it was disconnected, if it was; and whether somebody has been told.
        self.refusal: Optional[str] = None
        self.told = False

    def owns(self, number: int) -> bool:
        """Return whether this is the number of an interpreter at or behind the other end. Any thread may ask."""
        return number == self.number or any(number in block for block in self.blocks)


class Router(mitogen.master.Router):  # type: ignore[misc]
    """[worker] Mitogen's router for a master, which keeps its streams apart."""

    unidirectional = True
    ssh_of_upstream = ssh_words.ssh_of_upstream

    def __init__(self, broker: Any) -> None:
        """See the base class."""
        self._peers: dict[Any, Peer] = {}
        #: Peers that were disconnected for what they did.
        self._refused: list[Peer] = []
        self._requests_lock = threading.Lock()
        self._connected = threading.local()
        super().__init__(broker=broker, max_message_size=served.LARGEST_MESSAGE)

    def upgrade(self) -> None:
        """Stand for the base class's: no `ResourceResponder`, which serves any file from Python 3.13 on, and nobody detaches."""
        self.id_allocator = numbers.IdAllocator(self)
        self.responder = served.ModuleResponder(self, served.ImportPolicy())
        self.log_forwarder = logs.LogForwarder(self)
        self.route_monitor = numbers.RouteMonitor(router=self)
        self.add_handler(self._on_get_resource, mitogen.core.GET_RESOURCE)

    # -- peers ----------------------------------------------------------------------------------------------------

    def notice(self, stream: Any) -> None:
        """Begin to watch a stream, whose interpreter has just started."""
        self._peers[stream] = Peer(stream)

    def forget(self, stream: Any) -> None:
        """Stop to watch a stream that has ended."""
        self._peers.pop(stream, None)

    def peer_of(self, number: int) -> Optional[Peer]:
        """Return the peer behind which an interpreter is now, if there is one. Any thread may ask."""
        return self._peers.get(self._stream_by_id.get(number))

    def refused(self, number: int) -> Optional[Peer]:
        """Return the peer behind which this interpreter was, if it was disconnected for what it did. Any thread may ask."""
        return next((peer for peer in self._refused if peer.owns(number)), None)

    def tell(self, number: int) -> Optional[str]:
        """Return the sentence about the refusal of this interpreter's target, which the user is then told; None if there was none."""
        peer = self.refused(number)
        if peer is None:
            return None
        peer.told = True
        return peer.refusal

    def refusal_in(self, text: str) -> Optional[str]:
        """Return the sentence about a refusal that stands in this text, if one does. Any thread may ask."""
        return next((str(peer.refusal) for peer in self._refused if str(peer.refusal) in text), None)

    def refuse(self, peer: Optional[Peer], what: str) -> None:
        """Disconnect a target for what it has sent. Any thread may call this."""
        if peer is not None and peer.refusal is None:
            peer.refusal = Reason("MP220", target=peer.stream.name, what=what).text
            self._refused.append(peer)
            self.broker.defer(self._disconnect, peer)

    def _disconnect(self, peer: Peer) -> None:
        for stream in (peer.stream, peer.stream.conn.stderr_stream):
            # Without its standard error, too, Mitogen would wait for the process to end by itself.
            if stream is not None and not stream.receive_side.closed:
                stream.on_disconnect(self.broker)

    def _on_stream_disconnect(self, stream: Any) -> None:
        # Mitogen has hung up on what is no message, or too large, and has left it there.
        peer, rest = self._peers.get(stream), stream.protocol._input_buf
        if peer is not None and peer.refusal is None and rest and len(rest[0]) >= mitogen.core.Message.HEADER_LEN:
            fields = struct.unpack_from(mitogen.core.Message.HEADER_FMT, rest[0])
            if fields[0] not in mitogen.core.Message.ENCS or fields[-1] > self.max_message_size:
                self.refuse(peer, "what is no message")
        super()._on_stream_disconnect(stream)

    def _on_respondent_disconnect(self, context: Any) -> None:
        # Who waits for an answer is told why there will be none.
        peer = self.refused(context.context_id)
        if peer is None:
            self.respondent_disconnect_msg = numbers.ENDED
        else:
            self.respondent_disconnect_msg = str(peer.refusal)
            peer.told = peer.told or bool(self._handles_by_respondent.get(context))
        super()._on_respondent_disconnect(context)

    # -- messages -------------------------------------------------------------------------------------------------

    def _async_route(self, msg: Any, in_stream: Any = None) -> None:
        if in_stream is None or self._accepts(msg, in_stream):
            super()._async_route(msg, in_stream)

    def _accepts(self, msg: Any, stream: Any) -> bool:
        peer = self._peers.get(stream)
        if peer is None or peer.refusal is not None:
            return False
        if not peer.owns(msg.src_id) or not (msg.auth_id == msg.src_id or peer.owns(msg.auth_id)):
            self.refuse(peer, "a message in the name of another interpreter")
            return False
        if msg.dst_id != mitogen.context_id and not peer.owns(msg.dst_id):
            self.refuse(peer, "a message for another target")
            return False
        streams = self._stream_by_id
        if msg.dst_id != mitogen.context_id or streams.get(msg.src_id) is not stream or streams.get(msg.auth_id) is not stream:
            return self._drop(peer)  # an interpreter that has just ended is behind it, or before it
        if msg.handle >= FIRST_ANSWER:
            return self._is_awaited(peer, msg)
        counted = msg.handle not in {mitogen.core.CALL_SERVICE, mitogen.core.FORWARD_LOG}
        if (counted and not peer.unasked.take()) or stream.protocol.pending_bytes() > served.MOST_WAITING:
            self.refuse(peer, "a flood of messages")
            return False
        if msg.is_dead:
            return False
        size = HANDLES.get(msg.handle)
        if size is None:
            return True  # the base class says that nobody listens
        if len(msg.data) > size:
            self.refuse(peer, "a message that is too large")
            return False
        return msg.handle != mitogen.core.CALL_SERVICE or self._is_request(peer, msg)

    def _drop(self, peer: Peer) -> bool:
        """Count a message that goes nowhere, and return False."""
        if not peer.unasked.take():
            self.refuse(peer, "a flood of messages")
        return False

    def _is_awaited(self, peer: Peer, msg: Any) -> bool:
        """Return whether somebody waits for an answer from that interpreter, and whether it is one."""
        handler = self._handle_map.get(msg.handle)
        if handler is None:
            return self._drop(peer)  # its time has passed
        respondent = handler[3]
        if respondent is None or not peer.owns(respondent.context_id):
            self.refuse(peer, "an answer to what another target was asked")
            return False
        if msg.is_dead or msg.enc == mitogen.core.Message.ENC_BIN:
            return True
        named = answers.numbers_in(msg.data)
        if named is None or not all(peer.owns(number) for number in named):
            self.refuse(peer, "an answer that cannot be read")
            return False
        return True

    def _is_request(self, peer: Peer, msg: Any) -> bool:
        named = answers.numbers_in(msg.data)
        if named is None or not named <= {msg.src_id, mitogen.context_id}:
            self.refuse(peer, "a request that cannot be read")
            return False
        msg.mitopatch_peer = peer
        with self._requests_lock:
            peer.requests += 1
        if peer.requests > MOST_REQUESTS:
            self.refuse(peer, "a flood of requests")
            return False
        return True

    def request_served(self, msg: Any) -> None:
        """Count a request as served, also of an interpreter that has ended since. Any thread may call this."""
        with self._requests_lock:
            msg.mitopatch_peer.requests -= 1

    def _on_get_resource(self, msg: Any) -> None:
        # Plain Ansible's modules have none. Without an answer, the interpreter would wait for ever.
        peer = None if msg.is_dead else self.peer_of(msg.src_id)
        if peer is None:
            return
        if answers.numbers_in(msg.data) != set():
            self.refuse(peer, "a request that cannot be read")
            return
        answer = mitogen.core.Message.pickled(msg.unpickle(throw=False), None, dst_id=peer.number, handle=mitogen.core.LOAD_RESOURCE)
        peer.stream.protocol.send(answer)

    # -- connecting -----------------------------------------------------------------------------------------------

    def _connect(self, klass: Any, **kwargs: Any) -> Any:
        """See the base class. [any thread] The interpreter that this thread has connected last is `connected`."""
        self._connected.context = None
        self._connected.context = context = super()._connect(klass, **kwargs)
        return context

    @property
    def connected(self) -> Any:
        """Return the interpreter that this thread has connected last."""
        return self._connected.context

    def proxy_connect(self, via_context: Any, method_name: Any, name: Any = None, **kwargs: Any) -> Any:
        """See the base class, which believes the interpreter in between what number the new one has. [any thread]"""
        self._connected.context = None
        self._connected.context = context = super().proxy_connect(_Hop(self, via_context), method_name, name=name, **kwargs)
        context.via = via_context
        return context

    def receiver_from(self, context: Any) -> Any:
        """Return this context, such that who waits for its data takes none of others'. [any thread]"""
        return self.context_class(_TransferRouter(self, context), context.context_id, name=context.name)


class _Hop:
    """Stands for the interpreter that starts another one: what it answers is looked at."""

    def __init__(self, router: Router, context: Any) -> None:
        self._router = router
        self._context = context
        self.name = context.name

    def call(self, *args: Any, **kwargs: Any) -> Any:
        answer = self._context.call(*args, **kwargs)
        if answer["msg"] is not None:
            return answer
        peer = self._router.peer_of(self._context.context_id)
        if peer is None or type(answer["id"]) is not int or self._router.peer_of(answer["id"]) is not peer:
            self._router.refuse(peer, "the number of another interpreter")
            raise mitogen.core.ChannelError(numbers.ENDED)
        return answer


class _TransferRouter:
    """Stands for the router where a file is fetched: Mitogen's receiver of it would take messages of any target."""

    def __init__(self, router: Router, context: Any) -> None:
        self._router = router
        self._context = context

    def __getattr__(self, name: str) -> Any:
        return getattr(self._router, name)

    def add_handler(self, fn: Callable[[Any], Any], handle: Any = None, **kwargs: Any) -> Any:
        receiver: Any = fn.__self__  # type: ignore[attr-defined]
        peer = self._router.peer_of(self._context.context_id)

        def on_receive(msg: Any) -> None:
            if not msg.is_dead and (len(msg.data) > CHUNK or receiver.size() > MOST_CHUNKS):
                self._router.refuse(peer, "more of a file than it was asked for")
            else:
                fn(msg)

        return self._router.add_handler(on_receive, handle, **{**kwargs, "respondent": self._context})


def install(router: Router) -> Callable[[Exception], None]:
    """Have answers that do not come, because a target was refused, make its host unreachable; return what raises that for an error."""
    connection = ansible_mitogen.connection
    get_answer = connection.CallChain._rethrow

    def unreachable_if_refused(exc: Exception) -> None:
        text = router.refusal_in(str(exc))
        if text is not None:
            raise connection.ansible.errors.AnsibleConnectionFailure(text) from None

    def rethrow(self: Any, receiver: Any) -> Any:
        try:
            return get_answer(self, receiver)
        except Exception as exc:
            unreachable_if_refused(exc)
            raise

    connection.CallChain._rethrow = rethrow
    return unreachable_if_refused
