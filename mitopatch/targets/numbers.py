"""[worker] Mitogen's numbers of interpreters, and the routes to them: each number belongs to one stream, for good (see `trust`)."""

from __future__ import annotations

import re
from typing import Any

import mitogen.core
import mitogen.master
import mitogen.parent

#: Mitogen's word for an interpreter that has ended.
ENDED: str = mitogen.core.Router.respondent_disconnect_msg
#: Blocks of a thousand numbers that one target may have.
MOST_BLOCKS = 64


class RouteMonitor(mitogen.parent.RouteMonitor):  # type: ignore[misc]
    """[worker] Mitogen's table of routes, which takes numbers from those only to whom they were given."""

    def notice_stream(self, stream: Any) -> None:
        self.router.notice(stream)
        super().notice_stream(stream)

    def _on_stream_disconnect(self, stream: Any) -> None:
        super()._on_stream_disconnect(stream)
        self.router.forget(stream)

    def _on_add_route(self, msg: Any) -> None:
        peer, number, name = self._read(msg)
        if peer is not None:
            if (
                peer.owns(number)
                and number not in peer.announced
                and number != peer.number
                and len(name) <= mitogen.core.Context.NAME_MAX_LEN
            ):
                peer.announced.add(number)
                super()._on_add_route(msg)
            else:
                self.router.refuse(peer, "a route to what is not behind it")

    def _on_del_route(self, msg: Any) -> None:
        peer, number, _name = self._read(msg)
        if peer is not None:
            if peer.owns(number) and number != peer.number:
                super()._on_del_route(msg)
            else:
                self.router.refuse(peer, "the end of a route that is not its own")

    def _read(self, msg: Any) -> tuple[Any, int, str]:
        peer = self.router.peer_of(msg.src_id)
        if msg.is_dead or peer is None:
            return None, 0, ""
        match = re.fullmatch(rb"(\d{1,10})(?::(.*))?", msg.data, re.DOTALL)
        try:
            if match is not None:
                return peer, int(match[1]), (match[2] or b"").decode()
        except UnicodeDecodeError:
            pass
        self.router.refuse(peer, "a route that cannot be read")
        return None, 0, ""


class IdAllocator(mitogen.master.IdAllocator):  # type: ignore[misc]
    """[worker] Mitogen's numbers, each given to one stream for good."""

    def block_for(self, number: int) -> tuple[int, int]:
        """Allocate a block for this interpreter, which begins and ends with these. Any thread; raises ChannelError if it has ended."""
        peer = self.router.peer_of(number)
        if peer is None:
            raise mitogen.core.ChannelError(ENDED)
        start, end = self.allocate_block()
        peer.blocks.append(range(start, end))
        return start, end

    def on_allocate_id(self, msg: Any) -> None:
        peer = None if msg.is_dead else self.router.peer_of(msg.src_id)
        if peer is None:
            return
        if len(peer.blocks) >= MOST_BLOCKS:
            self.router.refuse(peer, "a flood of requests")
        else:
            msg.reply(self.block_for(msg.src_id))
