"""[controller] The life of a worker as one table; any other step is a bug and raises.

    NEW      the handle exists, no process yet
    RUNNING  forked; accepts jobs
    LEAVING  was told to leave (its socket is shut down for writing); finishes by itself within STOP_SECONDS, else
             TERM, then KILL after TERM_SECONDS
    DEAD     its process is reaped

Who notices what: a worker learns of the death of the controller (any death, SIGKILL too) by end-of-file on its socket;
the controller learns of the death of a worker the same way, in the thread that reads that socket. No signal is
needed in either direction.
"""

from __future__ import annotations

import enum


class State(enum.Enum):
    """Stage of one worker process."""

    NEW = "new"
    RUNNING = "running"
    LEAVING = "leaving"
    DEAD = "dead"


#: State -> states that may follow.
ALLOWED = {
    State.NEW: {State.RUNNING, State.DEAD},
    State.RUNNING: {State.LEAVING, State.DEAD},
    State.LEAVING: {State.DEAD},
    State.DEAD: frozenset(),
}

#: Seconds that a worker has to leave by itself (closing connections to its targets) before it gets SIGTERM.
STOP_SECONDS = 1.2
#: Seconds between SIGTERM and SIGKILL.
TERM_SECONDS = 0.4
#: Seconds after which a leaving worker ends itself, whatever its threads do.
LEAVE_SECONDS = 1.0
#: How often a worker may die and be started anew in one run before its hosts take the fork route instead.
MAX_REPLACEMENTS = 20


class Stage:
    """Holds the state of one worker and refuses steps that the table does not allow."""

    def __init__(self) -> None:
        self.state = State.NEW

    def to(self, state: State) -> None:
        """Enter ``state``; RuntimeError if the table has no such step."""
        if state not in ALLOWED[self.state]:
            raise RuntimeError(f"a worker cannot go from {self.state.value} to {state.value}")
        self.state = state
