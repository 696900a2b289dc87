"""Messages arrive whole and in order, however the bytes are cut; an end in the middle is an end."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitopatch.runtime import frames
from mitopatch.runtime.frames import Channel, Frame

MESSAGES = st.lists(st.tuples(st.integers(0, 255), st.integers(0, 2**64 - 1), st.binary(max_size=300)), max_size=12)


class Scripted:
    """A socket that gives its bytes in the pieces it was told, then end-of-file (or an error), and keeps what is sent."""

    def __init__(self, pieces: Sequence[bytes] = (), error: OSError | None = None) -> None:
        self.pieces = list(pieces)
        self.error = error
        self.sent = b""

    def sendall(self, data: bytes) -> None:
        self.sent += data

    def recv(self, size: int) -> bytes:
        if not self.pieces:
            if self.error is not None:
                raise self.error
            return b""
        piece = self.pieces.pop(0)
        if len(piece) > size:
            self.pieces.insert(0, piece[size:])
        return piece[:size]


def encoded(messages: Sequence[Frame]) -> bytes:
    sock = Scripted()
    channel = Channel(sock)  # type: ignore[arg-type]
    for message in messages:
        channel.send(*message)
    return sock.sent


def received(channel: Channel) -> list[Frame]:
    found = []
    while True:
        frame = channel.receive()
        if frame is None:
            return found
        found.append(frame)


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted({place for place in places if 0 < place < len(data)}), len(data)]
    return [data[start:end] for start, end in zip(edges, edges[1:]) if start < end]


@given(MESSAGES, st.lists(st.booleans(), min_size=20))
def test_what_is_held_comes_with_the_next_message_and_in_order(messages: list[Frame], held: list[bool]) -> None:
    """Nothing is lost, and nothing overtakes; what is held is not sent alone unless it is much."""
    sock = Scripted()
    channel, sent = Channel(sock), []  # type: ignore[arg-type]
    for (kind, number, payload), hold in zip(messages, held):
        before = len(sock.sent)
        if hold:
            channel.hold(kind, payload)
            sent.append((kind, 0, payload))
            assert len(sock.sent) == before or len(sock.sent) - before >= 65536
        else:
            channel.send(kind, number, payload)
            sent.append((kind, number, payload))
    channel.send(1, 2, b"last")
    assert received(Channel(Scripted([sock.sent]))) == [*sent, (1, 2, b"last")]  # type: ignore[arg-type]


@given(MESSAGES, st.lists(st.integers(0, 4000)))
def test_any_messages_cut_anywhere(messages: list[Frame], places: list[int]) -> None:
    channel = Channel(Scripted(cut(encoded(messages), places)))  # type: ignore[arg-type]
    assert received(channel) == messages
    assert channel.receive() is None, "the end stays the end"


@given(MESSAGES)
def test_byte_by_byte(messages: list[Frame]) -> None:
    data = encoded(messages)
    assert received(Channel(Scripted([data[i : i + 1] for i in range(len(data))]))) == messages  # type: ignore[arg-type]


@pytest.mark.parametrize("error", [None, ConnectionResetError(), OSError(9, "closed")])
def test_an_end_at_every_byte(error: OSError | None) -> None:
    """Whole messages before the end are given, the piece of one is not."""
    messages = [(1, 2, b"first"), (3, 4, b""), (5, 6, b"third")]
    sizes = [len(encoded(messages[:count])) for count in range(4)]
    data = encoded(messages)
    for length in range(len(data) + 1):
        whole = max(count for count in range(4) if sizes[count] <= length)
        assert received(Channel(Scripted([data[:length]] if length else [], error))) == messages[:whole]  # type: ignore[arg-type]


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    ours, theirs = frames.pair()
    yield Channel(ours), Channel(theirs)
    ours.close()
    theirs.close()


@pytest.mark.parametrize("size", [65535, 65536, 65537, 24 << 20])
def test_huge_payloads(ends: tuple[Channel, Channel], size: int) -> None:
    """More than any buffer between the two: the sender waits for the receiver, nothing is lost."""
    mine, peer = ends
    payload = bytes(range(256)) * (size // 256) + b"x" * (size % 256)

    def send() -> None:
        for number in range(2):
            mine.send(frames.OBJECTS, number, payload)
        mine.end()

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    for number in range(2):
        frame = peer.receive()
        assert frame is not None
        assert frame[:2] == (frames.OBJECTS, number)
        assert frame[2] == payload
    assert peer.receive() is None
    sender.join(10)
    assert not sender.is_alive()


def test_many_senders(ends: tuple[Channel, Channel]) -> None:
    """Threads share one end: each message stays whole, and each thread's messages stay in order."""
    mine, peer = ends
    threads = [
        threading.Thread(target=lambda n=n: [mine.send(n, i, bytes([n]) * (i * 997 % 90000)) for i in range(60)], daemon=True)
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    seen: dict[int, list[int]] = {n: [] for n in range(8)}
    for _ in range(8 * 60):
        frame = peer.receive()
        assert frame is not None
        kind, number, payload = frame
        assert payload == bytes([kind]) * (number * 997 % 90000)
        seen[kind].append(number)
    assert all(numbers == list(range(60)) for numbers in seen.values())
    for thread in threads:
        thread.join(10)


def test_end_closes_one_direction_only(ends: tuple[Channel, Channel]) -> None:
    mine, peer = ends
    mine.send(frames.LEAVE)
    mine.end()
    assert peer.receive() == (frames.LEAVE, 0, b"")
    assert peer.receive() is None
    peer.send(frames.RESULT, 7, b"late")
    assert mine.receive() == (frames.RESULT, 7, b"late")
    peer.close()
    assert mine.receive() is None
    mine.end()  # the peer was faster: no error


def test_a_send_that_does_not_wait(ends: tuple[Channel, Channel]) -> None:
    """It goes whole or not at all, also while another thread waits in a send of its own."""
    mine, peer = ends
    assert mine.try_send(frames.LEAVE)
    assert peer.receive() == (frames.LEAVE, 0, b"")
    sender = threading.Thread(target=mine.send, args=(frames.JOB, 1, bytes(24 << 20)), daemon=True)
    sender.start()
    while not mine._lock.locked():
        assert sender.is_alive()
    assert not mine.try_send(frames.LEAVE)
    assert peer.receive() == (frames.JOB, 1, bytes(24 << 20))
    sender.join(10)
    assert mine.try_send(frames.LEAVE)
    assert peer.receive() == (frames.LEAVE, 0, b"")
    peer.close()
    assert not mine.try_send(frames.LEAVE)


def test_sending_to_a_peer_that_is_gone(ends: tuple[Channel, Channel]) -> None:
    mine, peer = ends
    peer.close()
    with pytest.raises(OSError, match="Broken pipe"):
        mine.send(frames.JOB, 1, b"x")
    mine.close()
    assert mine.fileno() == -1
    assert mine.receive() is None


def test_nothing_listens() -> None:
    """A pair of connected sockets: no path, no port, so no other user can reach them."""
    for sock in frames.pair():
        assert sock.family == socket.AF_UNIX
        assert sock.getsockname() in ("", b"")
        assert not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        sock.close()
