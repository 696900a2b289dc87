"""Whatever bytes a target sends: nothing of it comes to another target, and nothing of another target's is touched.

`nox -s fuzz` tries a hundred thousand; MITOPATCH_FUZZ says how many otherwise.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import struct
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

core = pytest.importorskip("mitogen.core")
parent = pytest.importorskip("mitogen.parent")
master = pytest.importorskip("mitogen.master")

from mitopatch.targets import answers, served, trust  # noqa: E402

INPUTS = int(os.environ.get("MITOPATCH_FUZZ", "400"))
HANDLES = st.sampled_from([*range(95, 120), *range(1000, 1006)]) | st.integers(0, 2**32 - 1)
#: Messages of one example of Hypothesis.
PER_EXAMPLE = 25


class Errors(logging.Handler):
    """[test] Counts what was logged with a traceback: somebody did not expect what came."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self.texts.append(record.getMessage())


class End:
    """[test] A stream as Mitogen makes one, over a pair of sockets, and the target at its other end."""

    def __init__(self, router: Any) -> None:
        self.router = router
        self.mine, self.theirs = socket.socketpair()
        number = router.id_allocator.allocate()
        self.context = parent.Context(router, number, name=f"target{number}")
        self.stream = parent.MitogenProtocol.build_stream(router=router, remote_id=number)
        self.stream.name = self.context.name
        self.stream.conn = SimpleNamespace(stderr_stream=None, detached=False)
        self.mine.setblocking(False)
        self.stream.accept(self.mine.makefile("rb", 0), self.mine.makefile("wb", 0))
        self.sync(lambda: router.register(self.context, self.stream))
        self.sync(lambda: router.route_monitor.notice_stream(self.stream))
        self.block = router.id_allocator.block_for(number)
        self.answers: list[Any] = []
        self.handle = router.add_handler(self.answers.append, respondent=self.context)

    def sync(self, function: Any) -> Any:
        return self.router.broker.defer_sync(function)

    @property
    def number(self) -> int:
        return int(self.context.context_id)

    @property
    def connected(self) -> bool:
        return not self.stream.receive_side.closed

    def receive(self, data: bytes) -> None:
        """Have the worker read this from the target."""
        if self.connected:
            self.sync(lambda: self.stream.protocol.on_receive(self.router.broker, data))

    def sent(self) -> bytes:
        """What the worker has sent to the target by now."""
        self.theirs.setblocking(False)
        try:
            return self.theirs.recv(1 << 20)
        except BlockingIOError:
            return b""

    def owns(self, number: int) -> bool:
        return number == self.number or number in range(*self.block)

    def close(self) -> None:
        if self.connected:
            self.sync(lambda: self.stream.on_disconnect(self.router.broker))
        self.theirs.close()


@contextlib.contextmanager
def new_router() -> Iterator[Any]:
    """A worker's router; each example has its own, because Mitogen keeps what it knows of interpreters that have ended."""
    made = trust.Router(master.Broker(install_watcher=False))
    # As the pool of services has it: whatever is let through comes here.
    made.requests = []
    made.add_handler(made.requests.append, core.CALL_SERVICE)
    made.responder.whitelist_prefix("ansible")
    try:
        yield made
    finally:
        made.broker.shutdown()
        made.broker.join()


@pytest.fixture
def router() -> Iterator[Any]:
    with new_router() as made:
        yield made


def frame(data: bytes, fields: dict[str, int]) -> bytes:
    names = ("enc", "dst", "src", "auth", "handle", "reply_to")
    return struct.pack(core.Message.HEADER_FMT, *(fields[name] for name in names), fields.get("length", len(data))) + data


def pickles() -> st.SearchStrategy[bytes]:
    plain = st.none() | st.integers(-(2**40), 2**40) | st.text(max_size=20) | st.binary(max_size=20)
    context = st.integers(0, 5000).map(lambda number: core.Context(None, number))
    values = st.recursive(
        plain | context, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    )
    names = st.sampled_from(["mitogen.service.FileService", "ansible_mitogen.services.ContextService", "os"]) | st.text(max_size=10)
    methods = st.sampled_from(["fetch", "acknowledge", "register", "get", "__init__"]) | st.text(max_size=10)
    calls = st.tuples(
        names, methods, st.dictionaries(st.sampled_from(["path", "size", "sender", "stack"]), values, max_size=2).map(core.Kwargs)
    )
    return (values | calls | st.builds(core.CallError, st.text(max_size=20))).map(lambda value: core.Message.pickled(value).data)


def texts() -> st.SearchStrategy[bytes]:
    modules = st.sampled_from([b"ansible.module_utils.basic", b"ansible.constants", b"os", b"mitogen.core", b"ansible_collections.a.b"])
    logs = st.tuples(st.text(max_size=10), st.integers(0, 60), st.text(max_size=30)).map(lambda parts: "\0".join(map(str, parts)).encode())
    return modules | logs | st.binary(max_size=60)


#: Numbers by what they are in the moment: the controller, the two targets, the first and the last number of each one's block.
ROLES = st.sampled_from(["controller", "hostile", "honest", "of hostile", "of honest", "end of hostile"])
NUMBERS = ROLES | st.sampled_from([1, 5000, 2**31]) | st.integers(0, 2**32 - 1)


def messages() -> st.SearchStrategy[Any]:
    mostly_right = st.just("hostile") | NUMBERS
    fields = st.fixed_dictionaries(
        {
            "enc": st.sampled_from(sorted(core.Message.ENCS)) | st.integers(-(2**15), 2**15 - 1),
            "dst": st.just("controller") | NUMBERS,
            "src": mostly_right,
            "auth": mostly_right,
            "handle": st.sampled_from(["asked of hostile", "asked of honest"]) | st.sampled_from(sorted(trust.HANDLES)) | HANDLES,
            "reply_to": st.sampled_from([0, core.IS_DEAD, 1001]) | st.integers(0, 2**32 - 1),
        },
        optional={"length": st.integers(0, 2**32 - 1)},
    )
    routes = st.tuples(NUMBERS, st.text(max_size=5))
    return st.tuples(pickles() | texts() | routes, fields) | st.binary(max_size=80)


def as_bytes(message: Any, hostile: End, honest: End) -> bytes:
    """Put numbers for roles."""
    if isinstance(message, bytes):
        return message
    numbers = {
        "controller": 0, "hostile": hostile.number, "honest": honest.number, "of hostile": hostile.block[0], "of honest": honest.block[0],
        "end of hostile": hostile.block[1], "asked of hostile": hostile.handle, "asked of honest": honest.handle,
    }  # fmt: skip
    data, fields = message
    if isinstance(data, tuple):
        data = f"{numbers.get(data[0], data[0])}:{data[1]}".encode()
    return frame(data, {name: numbers.get(value, value) for name, value in fields.items()})


@pytest.fixture(scope="module")
def errors() -> Iterator[Errors]:
    handler = Errors()
    logging.getLogger("mitogen").addHandler(handler)
    yield handler
    logging.getLogger("mitogen").removeHandler(handler)


INPUT_LISTS = st.lists(st.tuples(messages(), st.integers(0, 200)), min_size=PER_EXAMPLE, max_size=PER_EXAMPLE)
#: Without making a failing input smaller, which takes minutes.
SEARCH = settings(
    deadline=None, max_examples=max(1, INPUTS // PER_EXAMPLE), suppress_health_check=list(HealthCheck), phases=[Phase.generate],
    report_multiple_bugs=False,
)  # fmt: skip


@SEARCH
@given(INPUT_LISTS)
def test_frames(errors: Errors, inputs: list[tuple[Any, int]]) -> None:
    """Nothing that a target sends comes to another one."""
    with new_router() as router:
        send_all(router, errors, inputs)


def send_all(router: Any, errors: Errors, inputs: list[tuple[Any, int]]) -> None:
    """Each message comes in two pieces; who is disconnected comes again."""
    honest, hostile = End(router), End(router)
    try:
        for message, cut in inputs:
            before = set(router._context_by_id)
            data = as_bytes(message, hostile, honest)
            for piece in (data[:cut], data[cut:]):
                hostile.receive(piece)
            assert_honest_is_as_it_was(router, honest, hostile)
            assert all(hostile.owns(number) or number == 0 for number in set(router._context_by_id) - before)
            for msg in router.requests:
                assert hostile.owns(msg.src_id)
                assert hostile.owns(msg.auth_id)
                numbers = answers.numbers_in(msg.data)
                assert numbers is not None
                assert numbers <= {0, msg.src_id}
                served.Pool._is_served(msg)
            for msg in hostile.answers:
                # That nobody will answer, the router says itself.
                assert hostile.owns(msg.src_id) or msg.is_dead
                if not msg.is_dead and msg.enc != core.Message.ENC_BIN:
                    msg.unpickle(throw=False)
            assert errors.texts == []
            router.requests.clear()
            hostile.answers.clear()
            if not hostile.connected:
                hostile.close()
                hostile = End(router)
    finally:
        hostile.close()
        honest.close()


def assert_honest_is_as_it_was(router: Any, honest: End, hostile: End) -> None:
    assert honest.connected
    assert honest.sent() == b""
    assert honest.answers == []
    assert router.stream_by_id(honest.number) is honest.stream
    assert not any(router._stream_by_id.get(number) is hostile.stream for number in (0, honest.number, *range(*honest.block)))


def message(data: bytes, **fields: Any) -> Any:
    return data, {"enc": core.Message.ENC_PKL, "dst": "controller", "src": "hostile", "auth": "hostile", "reply_to": 0, **fields}


#: By safeguard: what it refuses.
REFUSED = [
    ("_accepts", message(b"x", dst="honest", handle=core.CALL_FUNCTION)),
    ("_accepts", message(b"x", auth="controller", dst="honest", handle=core.CALL_FUNCTION)),
    ("_accepts", message(b"", handle=core.CALL_SERVICE, src="of honest", auth="of honest")),
    ("_is_awaited", message(b"dead", handle="asked of honest", reply_to=core.IS_DEAD)),
    ("_is_awaited", message(b"\x80\x02Nr\xff\xff\xff\x7f.", handle="asked of hostile")),
    ("_is_request", message(b"no pickle", handle=core.CALL_SERVICE)),
    ("_is_request", message(core.Message.pickled(core.Context(None, 2**31)).data, handle=core.CALL_SERVICE)),
]


@pytest.mark.parametrize(("name", "wrong"), REFUSED)
def test_without_a_safeguard(name: str, wrong: Any, router: Any, errors: Errors, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the safeguard is for is then seen to happen, and not with it."""
    send_all(router, errors, [(wrong, 10)])
    if name == "_accepts":
        # Mitogen's own router has some of these checks too.
        monkeypatch.setattr(trust.Router, "_async_route", unchecked_route)
    else:
        monkeypatch.setattr(trust.Router, name, lambda *_: True)
    try:
        with pytest.raises(Exception):  # noqa: B017, PT011 - an assertion, or what the harm breaks
            send_all(router, errors, [(wrong, 10)])
    finally:
        errors.texts.clear()
        router.requests.clear()


def unchecked_route(router: Any, msg: Any, in_stream: Any = None) -> None:
    """Route a message as if it were our own, for whomever it says."""
    if msg.dst_id == 0:
        router._invoke(msg, in_stream)
    else:
        router._stream_by_id[msg.dst_id].protocol._send(msg)
        router._stream_by_id[msg.dst_id].protocol.on_transmit(router.broker)


def test_requests_of_interpreters_that_end_are_counted_as_served(router: Any) -> None:
    """An interpreter may ask for something and end: its stream has many of these in the life of a connection."""
    hostile, honest = End(router), End(router)
    try:
        peer = router.peer_of(hostile.number)
        for number in range(hostile.block[0], hostile.block[0] + trust.MOST_REQUESTS + 10):
            roles = {"src": number, "auth": number}
            request = message(core.Message.pickled(("service", "method", core.Kwargs({}))).data, handle=core.CALL_SERVICE, **roles)
            route = message(f"{number}:x".encode(), handle=core.ADD_ROUTE)
            end = message(str(number).encode(), handle=core.DEL_ROUTE)
            for one in (route, request, end):
                hostile.receive(as_bytes(one, hostile, honest))
            (asked,) = router.requests
            router.requests.clear()
            router.request_served(asked)
        assert hostile.connected
        assert peer.requests == 0
    finally:
        hostile.close()
        honest.close()
