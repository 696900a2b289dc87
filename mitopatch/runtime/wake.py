"""[controller] Waiting on a condition where upstream sleeps and polls.

Upstream's main thread polls in three places: for a free slot (``StrategyBase._queue_task``), for results
(``StrategyBase._wait_on_pending_results``) and between the rounds of the free strategy. Each is a loop that checks
its condition and then calls ``time.sleep``. ``Clock`` stands for the module ``time`` there.

No wake-up is lost: whoever makes a condition true does so *before* calling ``Wake.set``; the waiter clears the event
*after* waiting and then checks the condition again. A set between those two is followed by that check.
"""

from __future__ import annotations

import threading
import time
from typing import Any, Callable

#: Longest wait in seconds: a safety net only, since every change sets the event.
LONGEST = 1.0


class Wake:
    """An event that means: look again."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.set = self._event.set

    def wait(self, seconds: float) -> None:
        """Wait until somebody set the event, at most ``seconds``."""
        self._event.wait(seconds)
        self._event.clear()


class Clock:
    """Stands for the module ``time`` in upstream's strategy modules; all but ``sleep`` is the module's own."""

    def __init__(self, sleeper: Callable[[float], bool]) -> None:
        """``sleeper(seconds)`` waits its own way and returns True, or returns False to have a real sleep."""
        self._sleeper = sleeper

    def sleep(self, seconds: float) -> None:
        """Wait until there is something to look at, at most as upstream would wait if nothing tells us."""
        if not self._sleeper(seconds):
            time.sleep(seconds)

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)
