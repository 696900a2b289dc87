"""ansible-playbook with mitopatch, one safeguard taken away: what the safeguard is for must then be seen to happen."""

from __future__ import annotations

import contextlib
import os
import sys
import types
from typing import Any


def lock() -> None:
    """No lock around plugin loading, also after a fork."""
    from mitopatch.versions import plugin_lock

    def remove() -> None:
        plugin_lock._lock = contextlib.nullcontext()  # type: ignore[assignment]

    remove()
    os.register_at_fork(after_in_child=remove)


def task() -> None:
    """All hosts use one task object."""
    from mitopatch.versions import copies

    copies.own_task = copies.own_task_with_attributes = lambda found: found


def loop_control() -> None:
    """Each host has its own task, but all use its one loop control."""
    from mitopatch.versions import copies

    own_task = copies._own

    def shared(found: Any) -> Any:
        mine = own_task(found)
        if "_attributes" in vars(found):  # 2.11 to 2.13
            mine._attributes = dict(found._attributes)
        return mine

    copies.own_task = copies.own_task_with_attributes = shared


def host() -> None:
    """Tasks get the inventory's own host object."""
    from mitopatch.versions import copies

    copies.own_host = lambda found: found


def stdout() -> None:
    """What is written to standard output is not kept apart by threads."""
    from mitopatch.versions import streams

    def init(self: Any) -> None:
        self._local = types.SimpleNamespace()

    streams.ThreadText.__init__ = init  # type: ignore[method-assign]


def display() -> None:
    """Messages of tasks are not sent to the controller."""
    from ansible.utils.display import Display

    Display.set_queue = lambda self, queue: None


def note() -> None:
    """A worker forgets what it is told of a host's variables."""
    from mitopatch.versions import work

    work.Worker.note = lambda self, host, data: None  # type: ignore[method-assign]


def state() -> None:
    """A worker forgets what it is told of the play: which hosts are left, which roles it has."""
    from mitopatch.versions import work

    work.Worker.set_state = lambda self, state: None  # type: ignore[method-assign]


def variables() -> None:
    """A worker cannot compute the variables of any task."""
    from mitopatch.versions import work

    def prepare(self: Any, job: Any) -> Any:
        raise LookupError("no variables for a test")

    work.Worker.prepare = prepare  # type: ignore[method-assign]


def prelude() -> None:
    """Interpreters look for what they import in the directory in which they start."""
    from mitopatch.targets import core_source

    core_source.PRELUDE = ""


def safe_path() -> None:
    """Interpreters look there before they run their first statement."""
    from mitopatch.targets import hops

    hops.start_without_directory = lambda: None


SWITCHES = {
    switch.__name__: switch for switch in (lock, task, loop_control, host, stdout, display, note, state, variables, prelude, safe_path)
}


def main() -> None:
    name = sys.argv.pop(1)
    sys.argv[0] = "ansible-playbook"
    from ansible.cli.playbook import main as playbook

    SWITCHES[name]()
    playbook()


if __name__ == "__main__":
    main()
