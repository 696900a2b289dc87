"""[controller, worker] ansible-core 2.18: a member of the family of 2.15, without differences for the engine."""

from __future__ import annotations

from mitopatch.versions.v2_15 import declared

BUNDLE = declared("2.18")
