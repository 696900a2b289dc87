"""[worker] Whose turn it is on a target: one interpreter runs the modules of one task at a time.

Hosts that are one machine and one user to Mitogen (``connection: local``, ``delegate_to``, several names of one address) share an
interpreter within a worker. Plain Ansible runs their tasks side by side. So a task waits for its turn as long as the turns are
short, which beats any start of an interpreter; behind a task that takes long it does not queue. On this machine a further interpreter
is started for it, which stays and is used as soon as the first is taken; elsewhere the task goes on in a fork.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import Any, Callable, Optional

import mitopatch.targets.release  # noqa: F401 - before ansible_mitogen

import ansible_mitogen.connection
import mitogen.core

from mitopatch.targets import discovery

LOG = logging.getLogger(__name__)

#: Seconds after which the task whose turn it is takes long.
LONG = 0.5
#: Seconds that a task waits at most, however short the turns are.
LONGEST = 5.0
#: Interpreters of one user on this machine, in each worker. What finds all of them taken for long is forked.
LANES = 4


class Turns:
    """[worker] Which thread uses which interpreter of a target. A target is Mitogen's number of its first interpreter."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        #: By target: how many interpreters it has, and by the number of each that is taken: the thread, and since when.
        self._lanes: dict[int, int] = {}
        self._taken: dict[int, dict[int, tuple[int, float]]] = {}
        #: By thread: the targets of which it may have an interpreter.
        self._held: dict[int, set[int]] = {}

    def take(self, target: int, lanes: int) -> Optional[int]:
        """Wait for this thread's turn: which of the target's interpreters it has, or None if it does not come soon.

        ``lanes``: how many interpreters the target may have. The number of one that has to be started may be the answer.
        """
        me = threading.get_ident()
        deadline = time.monotonic() + LONGEST
        with self._changed:
            while True:
                now = time.monotonic()
                taken = self._taken.setdefault(target, {})
                lane = self._mine_or_free(target, me)
                if lane is None:
                    left = min(max(since for _, since in taken.values()) + LONG, deadline) - now
                    if left > 0:
                        self._changed.wait(left)
                        continue
                    lane = self._lanes.get(target, 1)
                    if lane >= lanes:
                        return None
                    self._lanes[target] = lane + 1
                taken.setdefault(lane, (me, now))
                self._held.setdefault(me, set()).add(target)
                return lane

    def _mine_or_free(self, target: int, me: int) -> Optional[int]:
        taken = self._taken[target]
        for lane, (whose, _) in taken.items():
            if whose == me:
                return lane
        return next((lane for lane in range(self._lanes.get(target, 1)) if lane not in taken), None)

    def give(self, target: int) -> None:
        """This thread uses the target no longer."""
        me = threading.get_ident()
        with self._changed:
            taken = self._taken.get(target, {})
            for lane in [lane for lane, (whose, _) in taken.items() if whose == me]:
                del taken[lane]
                self._changed.notify_all()

    def several(self, target: int) -> bool:
        """Whether the next turn may be at another interpreter of the target."""
        return self._lanes.get(target, 1) > 1

    def leave(self) -> None:
        """The task of this thread has ended. Upstream forgets a loop's connections to delegates without closing them."""
        for target in self._held.pop(threading.get_ident(), ()):
            self.give(target)


def in_lane(stack: Any, lane: int) -> Any:
    """What ansible_mitogen knows of a connection, such that it makes another one that is alike."""
    return stack if not lane else [*stack[:-1], {**stack[-1], "mitopatch_lane": lane}]


def lanes(stack: Any) -> int:
    """How many interpreters a connection may have. Elsewhere a further one is a login, which servers limit."""
    return LANES if stack[0]["method"] == "local" else 1


def _finish(chain: Any) -> None:
    # What was sent without waiting for an answer (a directory, a small file) is there before another interpreter looks for it.
    try:
        chain.call(os.getpid)
    except (mitogen.core.ChannelError, mitogen.core.CallError) as exc:
        LOG.debug("%r: %r", chain, exc)  # whoever waits for an answer hears of it


def install(
    turns: Turns,
    on_connect: Callable[[], None],
    on_failure: Callable[[], Any],
    on_busy: Callable[[], Any],
    found: discovery.Found,
    unreachable_if_refused: Callable[[Exception], None],
) -> None:
    """Have Mitogen's connection plugins take turns, and tell of what becomes of connecting: see `Master.install`.

    ``unreachable_if_refused`` raises what makes a host unreachable where an error is about a target that was disconnected for what it
    did, so that it is not tried again by upstream's own connection.
    """
    klass = ansible_mitogen.connection.Connection
    build, connect, put = klass._build_stack, klass._connect_stack, klass._put_connection

    def build_stack(self: Any) -> Any:
        # Before a connection is made, and before one is reset.
        name, self.mitopatch_wanted = build(self)
        return name, found.kept(self.mitopatch_wanted)

    def connect_or_tell(self: Any, stack: Any) -> None:
        try:
            connect(self, stack)
        except Exception as exc:
            unreachable_if_refused(exc)
            on_failure()
            exc.mitopatch_not_connected = True  # type: ignore[attr-defined]
            raise

    def connect_stack(self: Any, stack: Any) -> None:
        wanted = self.mitopatch_wanted
        connect_or_tell(self, stack)
        if stack is wanted:
            found.connected(stack, self.init_child_result)
        elif not found.still(wanted, self.init_child_result):
            put(self)
            stack = wanted
            connect_or_tell(self, stack)
        target = self.context.context_id
        lane = turns.take(target, lanes(stack))
        if lane:
            put(self)
            connect_or_tell(self, in_lane(stack, lane))
        elif lane is None:
            try:
                on_busy()
            except BaseException:
                self._put_connection()
                raise
        self.mitopatch_target = target
        on_connect()

    def put_connection(self: Any) -> None:
        connected = self.context is not None
        try:
            if connected and turns.several(self.mitopatch_target):
                _finish(self.chain)
            put(self)
        finally:
            if connected:
                turns.give(self.mitopatch_target)

    klass.mitopatch_target = 0  # no target's number: nothing to give
    klass._build_stack = build_stack
    klass._connect_stack = connect_stack
    klass._put_connection = put_connection
