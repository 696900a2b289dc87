"""[controller, worker] MITOPATCH_CHECK: does a worker's replica give the variables that the controller has?

Both sides compute the variables of each host-task at the moment it is sent, and a digest of each (see `runtime.digest`). The
worker's digests reach the controller before the task's result, on the same socket, and the run stops with MP210 before
that result is looked at. What is compared:

- each variable of the task; the parts of ``ansible_facts``, ``groups`` and ``ansible_delegated_vars`` one by one;
- what is behind ``hostvars``: which hosts there are, and each variable of each (for up to HOSTS hosts, or all of them);
- the attributes of the task and of the play context, inherited ones too.
"""

from __future__ import annotations

import pickle  # nosec B403 # between our own processes
from collections.abc import Callable, Iterator
from typing import Any, Optional

from ansible.errors import AnsibleError
from ansible.playbook.base import FieldAttributeBase
from ansible.playbook.role import Role

from mitopatch.errors import Reason
from mitopatch.runtime.digest import Digester
from mitopatch.settings import flag, read

Digests = dict[str, bytes]

#: Above this number of hosts, `hostvars` is compared only with MITOPATCH_CHECK=all: it costs each host-task a get_vars per host.
HOSTS = 16
#: How many names of keys a message has room for.
NAMES = 20
#: Variables whose parts are named in a message: mappings whose keys are no data of anybody's.
PARTS = frozenset({"ansible_facts", "groups", "ansible_delegated_vars"})


def _opaque() -> tuple[type, ...]:
    """Of these there is one in each process, and it does not belong to a variable's value."""
    # Imported here: a bundle's module must not bring in what its declarations wait for.
    from ansible.executor.play_iterator import PlayIterator
    from ansible.inventory.data import InventoryData
    from ansible.inventory.manager import InventoryManager
    from ansible.parsing.dataloader import DataLoader
    from ansible.vars.hostvars import HostVars, HostVarsVars
    from ansible.vars.manager import VariableManager

    return (DataLoader, HostVars, HostVarsVars, InventoryData, InventoryManager, PlayIterator, VariableManager)


def wanted() -> str:
    """[controller] ``""`` (do not check), ``"1"`` or ``"all"``."""
    return "all" if read("MITOPATCH_CHECK") == "all" else "1" if flag("MITOPATCH_CHECK") else ""


class Checker:
    """[controller, worker] Computes the digests; made in the controller and inherited, so that both have one key."""

    def __init__(self, mode: str, key: bytes, family: Any, manager: Any, inventory: Any) -> None:
        self._mode = mode
        self._key = key
        self._family = family
        self._manager = manager
        self._inventory = inventory
        self._opaque = _opaque()

    def digests(self, variables: dict[str, Any], task: Any, play_context: Any) -> Digests:
        """The digest of everything that this host-task sees, by name."""
        of = Digester(self._key, self._mark).of
        found = {name: of(value) for name, value in self._flat(variables)}
        found.update((f"task.{name}", of(value)) for name, value in _attributes(task))
        found.update((f"play context.{name}", of(value)) for name, value in _attributes(play_context))
        hosts = list(self._inventory.hosts)
        found["hostvars (names of hosts)"] = of(list(self._manager._hostvars or ()))
        if self._mode == "all" or len(hosts) <= HOSTS:
            for host in [self._inventory.get_host(name) for name in hosts]:
                others = self._manager.get_vars(host=host, include_hostvars=False)
                found.update((f"hostvars[{host.name}].{name}", of(value)) for name, value in self._flat(others))
        return found

    def compare_kept(self, host: str, task: Any, kept: dict[str, Any], variables: dict[str, Any]) -> None:
        """[worker] What was kept of a host's variables must be what they are; raises AnsibleError."""
        of = Digester(self._key, self._mark).of
        now = {name: of(value) for name, value in self._flat(variables)}
        before = {name: of(value) for name, value in self._flat(kept)}
        if now != before:
            keys = [f"hostvars[{host}].{name}" for name in {**now, **before} if now.get(name) != before.get(name)]
            raise AnsibleError(Reason("MP210", host=host, task=task.get_name(), keys=_listed(keys)).text)

    @staticmethod
    def _flat(variables: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        for name, value in variables.items():
            if name == "vars":  # made of the others, when all of them are there
                yield "vars (its keys)", list(value) if isinstance(value, dict) else value
            elif name in PARTS and isinstance(value, dict):
                yield f"{name} (its keys)", list(value)
                for part, inner in value.items():
                    yield f"{name}.{part}", inner
            else:
                yield str(name), value

    def _mark(self, value: Any) -> Optional[tuple[str, Any]]:
        if isinstance(value, self._opaque):
            return type(value).__name__, None
        if isinstance(value, (FieldAttributeBase, Role)):
            return type(value).__name__, str(getattr(value, "_uuid", ""))
        found: Optional[tuple[str, Any]] = self._family.mark(value)
        return found


def _attributes(thing: Any) -> Iterator[tuple[str, Any]]:
    for name in thing.dump_attrs():
        value = getattr(thing, name)
        if isinstance(value, FieldAttributeBase):  # loop_control
            yield from ((f"{name}.{inner}", found) for inner, found in _attributes(value))
        else:
            yield name, value


class Watch:
    """[controller] What the workers' digests are compared with, and the difference that was found."""

    def __init__(self, checker: Checker) -> None:
        self.checker = checker
        self._problem: Optional[Reason] = None

    def comparison(self, host: str, task: Any, digests: Digests) -> Callable[[bytes], None]:
        """What a reading thread calls with the worker's digests of this host-task."""

        def compare(payload: bytes) -> None:
            theirs: Digests = pickle.loads(payload)  # noqa: S301 # nosec B301 # from our own worker
            if theirs != digests:
                names = [*digests, *(name for name in theirs if name not in digests)]
                keys = [name for name in names if digests.get(name) != theirs.get(name)]
                self.report(host, task, _listed(keys) if keys else "the order of the variables")

        return compare

    def report(self, host: str, task: Any, keys: str) -> None:
        """Remember a difference; the first one counts."""
        if self._problem is None:
            self._problem = Reason("MP210", host=host, task=task.get_name(), keys=keys)

    def stop(self) -> None:
        """[controller, main thread] End the run, as an error of Ansible's own does, if a difference was found."""
        if self._problem is not None:
            raise AnsibleError(self._problem.text)


def _listed(keys: list[str]) -> str:
    shown = ", ".join(keys[:NAMES])
    return f"{shown} and {len(keys) - NAMES} more" if len(keys) > NAMES else shown
