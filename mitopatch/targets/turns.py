"""[worker] Whose turn it is on a target: one interpreter runs the modules of one task at a time.

Hosts that are one machine and one user to Mitogen (``connection: local``, ``delegate_to``, several names of one address) share an
interpreter within a worker. Plain Ansible runs their tasks side by side. So a task waits for its turn as long as the turns are
short, which beats any start of an interpreter; behind a task that takes long it does not queue.
"""

from __future__ import annotations

import threading
import time
from typing import Any, Callable

import ansible_mitogen.connection

#: Seconds after which the task whose turn it is takes long.
LONG = 0.5
#: Seconds that a task waits at most, however short the turns are.
LONGEST = 5.0


class Turns:
    """[worker] Which thread uses which target, by Mitogen's number of it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        #: By target: the thread that has the turn, and since when.
        self._taken: dict[int, tuple[int, float]] = {}

    def take(self, target: int) -> bool:
        """Wait for this thread's turn; False if it does not come soon."""
        me = threading.get_ident()
        deadline = time.monotonic() + LONGEST
        with self._changed:
            while True:
                now = time.monotonic()
                whose, since = self._taken.setdefault(target, (me, now))
                if whose == me:
                    return True
                left = min(since + LONG, deadline) - now
                if left <= 0:
                    return False
                self._changed.wait(left)

    def give(self, target: int) -> None:
        """This thread uses the target no longer."""
        with self._changed:
            if self._taken.get(target, (0, 0.0))[0] == threading.get_ident():
                del self._taken[target]
                self._changed.notify_all()

    def leave(self) -> None:
        """The task of this thread has ended. Upstream forgets a loop's connections to delegates without closing them."""
        me = threading.get_ident()
        for target in [target for target, (whose, _) in list(self._taken.items()) if whose == me]:
            self.give(target)


def install(
    turns: Turns,
    on_connecting: Callable[[Any], None],
    on_connect: Callable[[], None],
    on_failure: Callable[[], Any],
    on_busy: Callable[[], Any],
) -> None:
    """Have Mitogen's connection plugins take turns, and tell of what becomes of connecting: see `Master.install`."""
    klass = ansible_mitogen.connection.Connection
    connect, put = klass._connect_stack, klass._put_connection

    def connect_stack(self: Any, stack: Any) -> Any:
        try:
            on_connecting(self)
            result = connect(self, stack)
        except Exception as exc:
            on_failure()
            exc.mitopatch_not_connected = True  # type: ignore[attr-defined]
            raise
        if not turns.take(self.context.context_id):
            try:
                on_busy()
            except BaseException:
                self._put_connection()
                raise
        on_connect()
        return result

    def put_connection(self: Any) -> None:
        context = self.context
        try:
            put(self)
        finally:
            if context is not None:
                turns.give(context.context_id)

    klass._connect_stack = connect_stack
    klass._put_connection = put_connection
