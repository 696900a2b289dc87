"""[controller, worker] The order of the groups below a group, and so of its hosts, is the same in every process.

Upstream walks over sets of Group objects, which hash by their addresses: two groups with children on one level come in
an order that nobody chose. All forks of plain Ansible agree on it, as they have the controller's addresses; a group that
a worker has made itself (``add_host``, ``group_by``) lies elsewhere there, and ``groups['all'].index(inventory_hostname)``
would give one number to two hosts. Here groups come in the order in which they became children.

Source: Group._walk_relationship, get_descendants, get_hosts (2.11 to 2.21).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


# Group._walk_relationship(self, rel, include_self=False, preserve_ordering=False)
def walk_relationship(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    """Wrap: where upstream answers with a list, the same groups in an order of ours."""
    found = wrapped(*args, **kwargs)
    if not isinstance(found, list):
        return found
    relation = args[0] if args else kwargs["rel"]
    groups = set(found)
    return [group for group in _by_level(instance, relation) if group in groups]


def _by_level(group: Any, relation: str) -> Iterator[Any]:
    level, seen = [group], {group}
    while level:
        yield from level
        # A dictionary keeps the first place of each.
        level = list(dict.fromkeys(other for one in level for other in getattr(one, relation) if other not in seen))
        seen.update(level)
