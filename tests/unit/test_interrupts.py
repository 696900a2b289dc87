"""Signals that arrive while a process is forked are handled afterwards, and not lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from mitopatch.runtime import interrupts

PROGRAM = """
import os, signal, sys
from mitopatch.runtime import interrupts

if "after" in sys.argv:
    os.register_at_fork(after_in_parent=lambda: os.kill(os.getpid(), signal.SIGINT))
else:
    os.register_at_fork(before=lambda: os.kill(os.getpid(), signal.SIGINT))
held = interrupts.held() if "held" in sys.argv else open(os.devnull)
try:
    with held:
        pid = os.fork()
        if pid == 0:
            os._exit(signal.getsignal(signal.SIGINT) is not signal.default_int_handler)
        print("child", os.waitpid(pid, 0)[1], flush=True)
    print("lost")
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(("how", "end"), [("held", "interrupted"), ("bare", "lost")])
def test_an_interrupt_in_a_hook_of_a_fork(how: str, end: str, moment: str) -> None:
    """Python loses it; held, it comes when the fork is done. The child has the handler that was there before."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, how, moment], capture_output=True, text=True, timeout=60, check=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler), stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.stdout.split() == ["child", "0", end]


def test_handlers_are_put_back() -> None:
    """Also after an error, and one inside another; both signals."""
    noted: list[int] = []
    before = {number: signal.signal(number, lambda number, _frame: noted.append(number)) for number in interrupts.SIGNALS}
    mine = [signal.getsignal(number) for number in interrupts.SIGNALS]

    def fail() -> None:
        with interrupts.held(), interrupts.held():
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)
            assert noted == []
            raise ValueError("oops")

    try:
        with pytest.raises(ValueError, match="oops"):
            fail()
        assert sorted(noted) == sorted(interrupts.SIGNALS)
        assert [signal.getsignal(number) for number in interrupts.SIGNALS] == mine
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_ignored_signals_stay_ignored() -> None:
    """And another thread, which may not set handlers, holds nothing."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupts.held():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    errors: list[BaseException] = []

    def other() -> None:
        try:
            with interrupts.held():
                pass
        except BaseException as exc:
            errors.append(exc)

    thread = threading.Thread(target=other)
    thread.start()
    thread.join(20)
    assert not errors
