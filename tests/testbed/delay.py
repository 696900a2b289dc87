"""A TCP proxy on a loopback address that lets every byte arrive later, in both directions: a host far away.

Bytes are under way independently of each other, as on a long line: what is sent at once arrives at once, `one_way` seconds
later. Only the TCP handshake is as fast as loopback. It runs on a thread of its own, outside of what is measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from typing import Any

CHUNK = 65536
# Chunks under way in one direction, so that a sender cannot fill the memory.
UNDER_WAY = 1024


class Delay:
    """Forwards connections to `address` on `port` (a free one) to the target, each byte `one_way` seconds late."""

    def __init__(self, target: tuple[str, int], one_way: float, address: str = "127.0.0.1") -> None:
        self.target = target
        self.one_way = one_way
        self.address = address
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.AbstractServer | None = None
        self._stalled = False

    def start(self) -> None:
        """Listen; return when `port` is known."""
        self._thread.start()
        self._call(self._listen())

    def stop(self) -> None:
        """Close the port and all connections."""
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    def stall(self) -> None:
        """From now on nothing arrives any more, and no connection is closed: a line that is dead."""
        self._call(self._stall())

    async def _stall(self) -> None:
        self._stalled = True

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=20)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._connected, self.address, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = [writer]
        try:
            far_reader, far_writer = await asyncio.open_connection(*self.target)
            writers.append(far_writer)
            await asyncio.gather(self._carry(reader, far_writer), self._carry(far_reader, writer))
        except (OSError, asyncio.CancelledError):
            pass  # refused, reset, or stopped: the other side sees a closed connection
        finally:
            for each in writers:
                each.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one direction; the end of the stream is late too, and leaves the other direction open."""
        line: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(UNDER_WAY)
        reading = asyncio.ensure_future(self._read(reader, line))
        try:
            while True:
                due, data = await line.get()
                await asyncio.sleep(due - self._loop.time())
                if self._stalled:
                    await asyncio.Event().wait()  # until the proxy is stopped
                if not data:
                    break
                writer.write(data)
                await writer.drain()
            with contextlib.suppress(OSError):
                writer.write_eof()
        finally:
            reading.cancel()

    async def _read(self, reader: asyncio.StreamReader, line: asyncio.Queue[tuple[float, bytes]]) -> None:
        data = b"-"
        while data:
            try:
                data = await reader.read(CHUNK)
            except OSError:
                data = b""
            await line.put((self._loop.time() + self.one_way, data))
