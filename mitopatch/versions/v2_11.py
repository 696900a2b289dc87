"""[controller, worker] Family head 2.11: ansible-core 2.11 to 2.14.

Workers have no number, and prompts talk to the terminal from them, which only forks can. In 2.11 to 2.13 the strategy itself
adds hosts and groups to the inventory, and tasks keep their attributes in a dictionary.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from mitopatch.declare import Bundle
from mitopatch.versions import copies
from mitopatch.versions.declarations import WORKER_INIT, bundle_declarations
from mitopatch.versions.family import PositionalFamily
from mitopatch.versions.patches import Patches

WORKER_INIT_211 = WORKER_INIT[:-1]


class Family214(PositionalFamily):
    """Without ``worker_id``."""

    parameters = PositionalFamily.parameters[:-1]


class Adder:
    """Stands for a strategy where upstream's own methods add hosts and groups to a worker's inventory.

    Source: StrategyBase._add_host and _add_group (2.11 to 2.13), which use nothing else of a strategy.
    """

    def __init__(self, inventory: Any) -> None:
        self._inventory = inventory
        #: Upstream appends the new host; a worker has the real list from the controller.
        self._hosts_cache_all: list[str] = []

    def _add_host(self, *args: Any, **kwargs: Any) -> None:
        """[worker] Upstream's own method on the replica."""
        from ansible.plugins.strategy import StrategyBase

        StrategyBase._add_host(self, *args, **kwargs)

    def _add_group(self, *args: Any, **kwargs: Any) -> None:
        """[worker] Upstream's own method on the replica."""
        from ansible.plugins.strategy import StrategyBase

        StrategyBase._add_group(self, *args, **kwargs)


class Family211(Family214):
    """See the module."""

    def own_task(self, task: Any) -> Any:
        return copies.own_task_with_attributes(task)

    def anchors(self, tqm: Any) -> dict[Hashable, Any]:
        return {"adder": Adder(tqm.get_inventory())}


FAMILY_214 = Family214()
FAMILY = Family211()


def declared(series: str) -> Bundle:
    """The bundle of 2.11, 2.12 or 2.13: they differ in bodies only."""
    return Bundle(series, "2.11", bundle_declarations(series, Patches(FAMILY), worker_init=WORKER_INIT_211, strategy_adds=True))


BUNDLE = declared("2.11")
