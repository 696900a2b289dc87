"""[controller, worker] What the engine needs of Ansible, as two interfaces that a bundle implements: differences of releases live there."""

from __future__ import annotations

import abc
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Optional


class HandBack(BaseException):
    """[worker] This task is not for a thread, and nothing has been done for it yet: the controller must fork it.

    A BaseException, so that upstream's ``except Exception`` does not take it for a failure of the task.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Job(NamedTuple):
    """One task on one host, as it travels to a worker; objects by their number in the registry."""

    number: int
    host: str
    task: int
    play: int
    play_context: int
    slot: int


class WorkerSeam(abc.ABC):
    """[worker] What a worker does with Ansible. Made after the fork by ControllerSeam.enter_worker."""

    @abc.abstractmethod
    def apply(self, operation: tuple[Any, ...]) -> None:
        """Carry out a logged mutation on this process's replica."""

    @abc.abstractmethod
    def note(self, host: str, data: bytes) -> None:
        """Keep a pickled mutation of one host's variables until they are read."""

    @abc.abstractmethod
    def set_state(self, state: tuple[Any, ...]) -> None:
        """Take over what the strategy knows of its play."""

    @abc.abstractmethod
    def prepare(self, job: Job) -> Any:
        """Compute what the task needs (its variables) from the replica as it is now. May raise anything."""

    @abc.abstractmethod
    def run(self, prepared: Any) -> bool:
        """Run a prepared task on this thread; False if it ended without sending a result. Raises HandBack."""

    @abc.abstractmethod
    def reply(self, number: int, value: Any) -> None:
        """Hand the answer to a prompt to the task that waits for it."""

    @abc.abstractmethod
    def call(self, method: str, arguments: tuple[Any, ...]) -> None:
        """Run one of the seam's own methods in order with the jobs."""

    @abc.abstractmethod
    def close(self, orphaned: bool) -> None:
        """Let go of all connections; bounded by the caller. ``orphaned``: the controller died, clean up after it too."""


class ControllerSeam(abc.ABC):
    """[controller] What the engine asks of Ansible in the top process."""

    @abc.abstractmethod
    def process(self, target: Any, arguments: tuple[Any, ...]) -> Any:
        """A not yet started multiprocessing process of the kind that Ansible itself uses."""

    @abc.abstractmethod
    def fork_guard(self) -> AbstractContextManager[Any]:
        """Holds the locks that a forked child must not inherit in another thread's hands."""

    @abc.abstractmethod
    def shared_kinds(self) -> tuple[type, ...]:
        """Classes whose instances are shared by number."""

    def reducers(self) -> dict[type, Callable[[Any], Any]]:
        """How instances of some other classes are pickled."""
        return {}

    @abc.abstractmethod
    def name_of(self, obj: Any) -> Optional[Hashable]:
        """The name of an object that both sides have, or None."""

    @abc.abstractmethod
    def by_name(self, name: Hashable) -> Any:
        """[controller, worker] The object of that name in this process."""

    @abc.abstractmethod
    def forward(self, data: bytes) -> None:
        """Put an item that a worker has pickled on Ansible's final queue."""

    @abc.abstractmethod
    def lost(self, host: str, task: Any, message: str) -> None:
        """Report a host unreachable whose worker died during ``task``."""

    @abc.abstractmethod
    def warn(self, message: str) -> None:
        """Show the user one sentence."""

    @abc.abstractmethod
    def enter_worker(self, channel: Any, registry: Any) -> WorkerSeam:
        """[worker] Turn this fork of the controller into a worker."""
