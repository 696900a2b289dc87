"""[worker] What targets write for us to read: records of their logs, and lines before their interpreters start. Bounded here.

Mitogen handles as many as there are, keeps a line that does not end, and makes loggers of any name that it is told.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from typing import Any

import mitogen.core
import mitogen.master

#: Records of a target's log that are handled, at once and in a second; what is beyond is dropped.
BURST, RATE = 10_000, 1_000
#: How many may be dropped before the target is disconnected.
MOST_DROPPED = 50_000
#: Loggers whose records are handled, and how many of them one target may use. What modules log is for nobody in plain Ansible.
LOGGER = re.compile(r"(mitogen|ansible_mitogen|mitopatch)(\.[\w.\-]{1,100})?")
MOST_LOGGERS = 100
#: Bytes of a line that ssh, or what a target starts before its interpreter, writes; characters of a record that is shown.
LONGEST_LINE = 64 * 1024
LONGEST_RECORD = 4000
#: What moves cursors and colours, but for tabs and ends of lines.
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Allowance:
    """[worker] So many at once, and so many a second after that."""

    def __init__(self, burst: int, rate: int) -> None:
        self._most, self._rate = burst, rate
        self._left, self._seen = float(burst), 0.0

    def take(self) -> bool:
        """Return whether one more is allowed now, and count it."""
        now = mitogen.core.now()
        self._left = min(self._most, self._left + (now - self._seen) * self._rate)
        self._seen = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Quota:
    """[worker] What of one target's log is handled."""

    def __init__(self) -> None:
        self.records = Allowance(BURST, RATE)
        self.dropped = 0
        self.names: set[str] = set()


class LogForwarder(mitogen.master.LogForwarder):  # type: ignore[misc]
    """[worker] Mitogen's handler of what interpreters log, for so many of them and for loggers with the names of loggers."""

    def _on_forward_log(self, msg: Any) -> None:
        peer = None if msg.is_dead else self._router.peer_of(msg.src_id)
        if peer is None:
            return
        if not peer.log.records.take():
            peer.log.dropped += 1
            if peer.log.dropped > MOST_DROPPED:
                self._router.refuse(peer, "a flood of messages")
            return
        parts = msg.data.decode("utf-8", "replace").split("\0", 2)
        if len(parts) < 3 or not LOGGER.fullmatch(parts[0]) or not re.fullmatch(r"[0-9]{1,3}", parts[1]):
            return
        names = peer.log.names
        if parts[0] in names or len(names) < MOST_LOGGERS:
            names.add(parts[0])
            # For who reads at -vvv. Plain Ansible shows nothing of the kind, and a target has no say in what is a warning here.
            msg.data = "\0".join((parts[0], str(min(int(parts[1]), logging.INFO)), parts[2])).encode("utf-8", "replace")
            super()._on_forward_log(msg)


class ShortRecords(logging.Filter):
    """[worker] Cuts records, and shows control characters as such: what a target sends stands in some, on somebody's terminal."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if len(text) > LONGEST_RECORD:
            text = f"{text[:LONGEST_RECORD]}... ({len(text)} characters)"
        record.msg, record.args = CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text), ()
        return True


def watch(names: Iterable[str]) -> None:
    """Have the handlers of these loggers show short records only."""
    for name in names:
        for handler in logging.getLogger(name).handlers:
            handler.addFilter(ShortRecords())


_on_receive = mitogen.core.DelimitedProtocol.on_receive


def on_receive(self: Any, broker: Any, buf: bytes) -> None:
    """Stand for mitogen.core.DelimitedProtocol.on_receive, which keeps what has no end of line for as long as there is none."""
    _on_receive(self, broker, buf)
    if len(self._trailer) > LONGEST_LINE:
        self._trailer = b""
