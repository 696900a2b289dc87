"""[controller] An interrupt that arrives while a process is forked.

Python ignores exceptions in what it calls around a fork (``os.register_at_fork``: logging's locks, random numbers): the KeyboardInterrupt
that a handler raises there is lost, and the run goes on to its end. Plain Ansible loses one now and then, with a fork per host-task.

So while we fork, the handlers only note the signal, and are called afterwards. The race, step by step: a signal before `held` has
put its handlers in place is handled as ever, before the fork; one that comes later is noted, by whatever thread the kernel chose,
because Python calls handlers on the main thread only; one that comes after they are taken back is handled as ever. The child has the
old handlers before it runs anything else.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)

#: The handlers that are to be put back.
_before: dict[int, Any] = {}


def _put_back() -> dict[int, Any]:
    handlers = dict(_before)
    _before.clear()
    for number, handler in handlers.items():
        signal.signal(number, handler)
    return handlers


os.register_at_fork(after_in_child=_put_back)


@contextlib.contextmanager
def held() -> Iterator[None]:
    """[controller] Signals that have a handler in Python are handled at the end; raises what the handler raises."""
    if _before or threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[tuple[int, Any]] = []
    for number in SIGNALS:
        handler = signal.getsignal(number)
        if callable(handler):
            _before[number] = handler
            signal.signal(number, lambda *signalled: came.append(signalled))
    try:
        yield
    finally:
        handlers = _put_back()
        for signalled, frame in came:
            handlers[signalled](signalled, frame)
