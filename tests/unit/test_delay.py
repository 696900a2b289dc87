"""The proxy that delays: whole, in order, late in both directions, and gone after `stop`."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

from testbed.delay import Delay

ONE_WAY = 0.1


@pytest.fixture
def echo() -> Iterator[tuple[str, int]]:
    """A server that answers one connection with what it was sent, and ends with it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.settimeout(20)
                while data := connection.recv(65536):
                    connection.sendall(data)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()
        thread.join(timeout=20)
        assert not thread.is_alive(), "the end of the stream has not arrived"


@pytest.fixture
def delay(echo: tuple[str, int]) -> Iterator[Delay]:
    proxy = Delay(echo, ONE_WAY)
    proxy.start()
    yield proxy
    proxy.stop()


def receive(client: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size and (data := client.recv(65536)):
        found += data
    return found


def test_every_byte_is_late_and_none_waits_for_another(delay: Delay) -> None:
    with socket.create_connection((delay.address, delay.port), timeout=20) as client:
        began = time.monotonic()
        client.sendall(b"one")
        assert receive(client, 3) == b"one"
        assert time.monotonic() - began >= 2 * ONE_WAY
        # A megabyte is sixteen chunks and more: were they carried one after the other, it would take 3.2 s at least.
        # Whether it does is no assertion here, since a busy machine may be slower; that nothing is lost is one.
        sent = bytes(range(256)) * 4096
        writer = threading.Thread(target=client.sendall, args=(sent,), daemon=True)
        writer.start()
        assert receive(client, len(sent)) == sent
        writer.join(timeout=20)
        client.shutdown(socket.SHUT_WR)
        assert receive(client, 1) == b""


def test_stop_closes_connections_and_port(delay: Delay) -> None:
    client = socket.create_connection((delay.address, delay.port), timeout=20)
    with client:
        client.sendall(b"one")
        assert receive(client, 3) == b"one"
        port = delay.port
        delay._call(delay._close())
        assert receive(client, 1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((delay.address, port), timeout=20)


def test_a_target_that_is_not_there_is_a_closed_connection() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        proxy = Delay(nobody.getsockname(), 0.0)
        proxy.start()
        try:
            with socket.create_connection((proxy.address, proxy.port), timeout=20) as client:
                assert receive(client, 1) == b""
        finally:
            proxy.stop()
