"""[worker] Magic variables are worked out once for the hosts of a play's tasks, as long as its hosts, groups and roles stay the same.

Upstream names for each host-task every role of the play with all its dependencies, and goes twice through the hosts: a task of one
of a hundred roles pays for all of them, and a task on one of a thousand hosts for each of the others. None of it depends on the host.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

from ansible.vars.manager import VariableManager

from mitopatch.runtime.bounded import Bounded

#: Plays and roles whose variables are kept.
MOST = 200


class Kept(NamedTuple):
    """What was worked out, and from what: the objects are kept so that their ids stay theirs."""

    play: Any
    role: Any
    groups: Any
    variables: dict[str, Any]


class Magic:
    """[worker] The magic variables of plays and roles."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, int, bool, bool], Kept] = Bounded(MOST)

    def forget(self) -> None:
        """Hosts, groups or roles may be others from now on."""
        self._kept.clear()

    def variables(self, groups: Any, play: Any, task: Any, hostvars: bool, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Those for a task (or none) of this play; lists are the caller's own, as upstream's are."""
        role = task._role if task else None
        key = (id(play), id(role), bool(task), hostvars)
        kept = self._kept.get(key)
        if kept is None or kept.groups is not groups:
            kept = self._kept[key] = Kept(play, role, groups, compute())
        copies: dict[int, Any] = {}  # two names may stand for one list
        found = dict(kept.variables)
        for name, value in found.items():
            if isinstance(value, list):
                mine = copies.get(id(value))
                if mine is None:
                    # Lists with a mark (from 2.19) keep it.
                    mine = copies[id(value)] = value[:] if type(value) is list else copy.copy(value)
                found[name] = mine
        return found


def install(worker: Any) -> None:
    """Put it in place; this process is a worker for the rest of its life."""
    upstream = VariableManager._get_magic_variables

    def get_magic_variables(self: Any, *args: Any, **given: Any) -> Any:
        play, hosts = given.get("play"), given.get("_hosts")
        # Whoever names no hosts, or others, wants them worked out.
        if args or not play or not hosts or not worker.has_hosts(hosts, given.get("_hosts_all")):
            return upstream(self, *args, **given)
        groups, hostvars = worker.inventory.get_groups_dict(), bool(given.get("include_hostvars"))
        return worker.magic.variables(groups, play, given.get("task"), hostvars, lambda: upstream(self, **given))

    VariableManager._get_magic_variables = get_magic_variables
