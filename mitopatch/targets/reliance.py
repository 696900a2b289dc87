"""[controller] How mitopatch writes down what it rests on in Mitogen: a row for each function, and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

#: The body must be a known one: the protection against targets rests on it, or we re-implement it, or we know what it does next.
BODY = "body"
#: We wrap or call it: the names of its parameters must be known ones.
CALL = "call"

WORKER, TARGET, BOTH = "worker", "target", "worker, target"


class ReliedOn(NamedTuple):
    """[controller] One function, class or value. ``process`` says where it runs: what runs on targets has been sent from here."""

    module: str
    name: str
    checked: str
    process: str
    why: str

    @property
    def key(self) -> str:
        """Return ``module:Symbol``, its name in the table and in messages."""
        return f"{self.module}:{self.name}"


def of_module(module: str, process: str, *rows: tuple[str, str, str]) -> Iterator[ReliedOn]:
    """[controller] Return the rows of one module: how a name is checked, the name, and why."""
    return (ReliedOn(module, name, checked, process, why) for checked, name, why in rows)


SPLIT = "how bytes of a target become messages"
ORIGIN = "who sent a message is checked where it comes in"
WHERE = "a target reaches only what lies behind its stream"
HANDLES = "the numbers of handles that a target can reach are a closed list"
LOAD = "what a message of a target may be unpickled into"
NUMBERS = "the numbers that a target may use are those given to its stream"
SERVICES = "which services a target can reach, and with what arguments"
FILES = "a target gets the files that are registered for it, and no others"
MODULES = "a target gets the modules that its tasks need, and no others"
BOOT = "the program and the command with which an interpreter starts"
OURS = "ours stands in its place"
AROUND = "ours runs around it"
BASE = "a class of ours inherits from it"
CALLED = "called by us"
