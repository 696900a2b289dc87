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


@pytest.mark.parametrize(
    ("name", "level", "handled"),
    [
        ("mitogen", 50, True),
        ("ansible_mitogen.target", 10, True),
        ("dnf", 50, False),
        ("mitogenous", 50, False),
        ("mitogen.\x1b", 50, False),
    ],
)
def test_records_of_targets(name: str, level: int, handled: bool) -> None:
    """They are handled for Mitogen's own loggers, and are neither warnings nor errors."""
    records: list[tuple[str, int]] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append((record.getMessage(), record.levelno))

    router = SimpleNamespace(
        add_handler=lambda **_: None,
        peer_of=lambda _number: SimpleNamespace(log=quota),
        context_by_id=lambda _number: SimpleNamespace(name="target"),
    )
    quota = logs.Quota()
    handler = Handler()
    logging.getLogger().addHandler(handler)
    logging.getLogger(name).addHandler(handler)
    try:
        forwarder = logs.LogForwarder(router)
        message = core.Message(data=f"{name}\0{level}\0text".encode(), src_id=1)
        forwarder._on_forward_log(message)
    finally:
        logging.getLogger().removeHandler(handler)
        logging.getLogger(name).removeHandler(handler)
    assert set(records) == ({("text", min(level, logging.INFO))} if handled else set())
