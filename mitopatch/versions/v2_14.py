"""[controller, worker] ansible-core 2.14: the family of 2.15 before its workers had a number and a queue for prompt answers."""

from __future__ import annotations

from mitopatch.declare import Bundle
from mitopatch.versions.declarations import WORKER_INIT, bundle_declarations
from mitopatch.versions.patches import Patches
from mitopatch.versions.v2_15 import Family215


class Family214(Family215):
    """WorkerProcess has no ``worker_id``; prompts talk to the terminal from the worker, which only forks can."""

    parameters = Family215.parameters[:-1]


FAMILY = Family214()

BUNDLE = Bundle("2.14", "2.15", bundle_declarations("2.14", Patches(FAMILY), worker_init=WORKER_INIT[:-1]))
