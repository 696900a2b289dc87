"""[controller, worker] ansible-core 2.17: a member of the family of 2.15, without differences for the engine."""

from __future__ import annotations

from mitopatch.declare import Bundle
from mitopatch.versions.declarations import bundle_declarations
from mitopatch.versions.patches import Patches
from mitopatch.versions.v2_15 import FAMILY

BUNDLE = Bundle("2.17", "2.15", bundle_declarations("2.17", Patches(FAMILY)))
