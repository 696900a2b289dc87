"""[controller, worker] ansible-core 2.14: a member of the family of 2.11, with plain attributes and an inventory that adds hosts itself."""

from __future__ import annotations

from mitopatch.declare import Bundle
from mitopatch.versions.declarations import bundle_declarations
from mitopatch.versions.patches import Patches
from mitopatch.versions.v2_11 import FAMILY_214, WORKER_INIT_211

BUNDLE = Bundle("2.14", "2.11", bundle_declarations("2.14", Patches(FAMILY_214), worker_init=WORKER_INIT_211))
