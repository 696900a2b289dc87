"""What targets write for us to read is short, and moves nothing on a terminal."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest

core = pytest.importorskip("mitogen.core")

from mitopatch.targets import logs  # noqa: E402


def shown(text: str, *args: Any) -> str:
    record = logging.LogRecord("mitogen", logging.ERROR, "", 0, text, args, None)
    assert logs.ShortRecords().filter(record)
    return record.getMessage()


def test_records() -> None:
    assert shown("all %s\twell\n%d%%", "is", 5) == "all is\twell\n5%"
    assert shown("\x1b[2J\x9b1mred\x7f") == r"\x1b[2J\x9b1mred\x7f"
    assert shown("%s", "x" * 10_000) == "x" * logs.LONGEST_RECORD + "... (10000 characters)"


@pytest.mark.parametrize("size", [100, logs.LONGEST_LINE, logs.LONGEST_LINE + 1])
def test_a_line_without_an_end(size: int) -> None:
    """It is kept until it is too long, then dropped; the next one is whole."""
    lines: list[bytes] = []

    class Protocol(core.DelimitedProtocol):  # type: ignore[misc]
        on_receive = logs.on_receive

        def on_line_received(self, line: bytes) -> None:
            lines.append(bytes(line))

    protocol = Protocol()
    protocol.stream = SimpleNamespace(protocol=protocol)
    protocol.on_receive(None, b"x" * size)
    protocol.on_receive(None, b"\nnext\n")
    assert lines == ([b"x" * size, b"next"] if size <= logs.LONGEST_LINE else [b"", b"next"])


def test_so_many_at_once_and_so_many_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(core, "now", lambda: now)
    allowance = logs.Allowance(5, 2)
    assert [allowance.take() for _ in range(7)] == [True] * 5 + [False] * 2
    now += 1.0
    assert [allowance.take() for _ in range(3)] == [True, True, False]
    now += 1000.0
    assert [allowance.take() for _ in range(6)] == [True] * 5 + [False]
