"""Messages between controller and worker: a byte for the kind, a job number, a length, the payload.

One stream socket per worker, inherited at fork, so nothing listens anywhere and no other user can connect.
"""

from __future__ import annotations

import socket
import struct
import threading
from typing import Optional

# controller -> worker
OBJECTS = 1  # pickled objects to register (see objects)
UPDATE = 2  # (object number, changed attributes)
STATE = 3  # what the strategy knows of the play: host lists, failed hosts, roles
OPERATION = 4  # a mutation of shared state that concerns everybody
HOST_OPERATION = 5  # a mutation of one host's variables; applied when they are read
JOB = 6  # run a task on a host
REPLY = 7  # the answer to a prompt
CALL = 8  # run a method of the worker seam, in order (reset_connection)
LEAVE = 9  # the run is over; end-of-file without it means that the controller died
# worker -> controller
QUEUE = 16  # an item for Ansible's final queue
RESULT = 17  # the same, and the job is over
HANDBACK = 18  # nothing was done for this job yet: the controller must fork it
CRASHED = 19  # the job ended without a result
READY = 20  # the worker has become one
FAILED = 21  # it could not; the reason
DIGESTS = 22  # MITOPATCH_CHECK: digests of what a job sees, before it begins

#: With any of these a job is over.
ENDS = frozenset((RESULT, HANDBACK, CRASHED))

_HEAD = struct.Struct("!BQI")

Frame = tuple[int, int, bytes]


class Channel:
    """[controller, worker] One end of the socket pair.

    ``send`` may be called by many threads, ``receive`` by one. A send to a peer that is gone raises OSError.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._lock = threading.Lock()
        self._buffer = bytearray()
        self._held = bytearray()

    def fileno(self) -> int:
        """File descriptor of the socket; -1 once closed."""
        return self._sock.fileno()

    def send(self, kind: int, number: int = 0, payload: bytes = b"") -> None:
        """Send one message, whole; blocks while the peer is behind."""
        head = _HEAD.pack(kind, number, len(payload))
        with self._lock:
            if self._held:
                head = bytes(self._held) + head
                self._held.clear()
            if len(payload) < 65536:
                self._sock.sendall(head + payload)
            else:
                self._sock.sendall(head)
                self._sock.sendall(payload)

    def hold(self, kind: int, payload: bytes) -> None:
        """Send a message that nobody waits for: with the next one, or when many have gathered. One call of the system each is dear."""
        with self._lock:
            self._held += _HEAD.pack(kind, 0, len(payload)) + payload
            if len(self._held) >= 65536:
                self._sock.sendall(self._held)
                self._held.clear()

    def try_send(self, kind: int) -> bool:
        """Send a message without number and payload; False, and nothing sent, if that would mean to wait for the peer.

        What is held is not sent any more.
        """
        if not self._lock.acquire(timeout=0.1):
            return False
        try:
            # So few bytes go whole or not at all.
            return self._sock.send(_HEAD.pack(kind, 0, 0), socket.MSG_DONTWAIT) == _HEAD.size
        except OSError:
            return False
        finally:
            self._lock.release()

    def receive(self) -> Optional[Frame]:
        """Wait for the next message; None at end-of-file (the peer has ended, or is leaving)."""
        head = self._take(_HEAD.size)
        if head is None:
            return None
        kind, number, length = _HEAD.unpack(head)
        payload = self._take(length) if length else b""
        if payload is None:
            return None
        return kind, number, payload

    def _take(self, size: int) -> Optional[bytes]:
        while len(self._buffer) < size:
            try:
                data = self._sock.recv(max(262144, size - len(self._buffer)))
            except (ConnectionError, OSError):
                return None
            if not data:
                return None
            self._buffer += data
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def end(self) -> None:
        """Tell the peer that no more messages come; receiving goes on."""
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            return  # the peer was faster

    def close(self) -> None:
        """Close the socket in this process; the peer sees end-of-file if no other process has it."""
        self._sock.close()


def pair() -> tuple[socket.socket, socket.socket]:
    """[controller] A connected pair of sockets with room for a play's objects in flight."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    for sock in (ours, theirs):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    return ours, theirs
