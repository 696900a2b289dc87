"""[controller, worker] ansible-core 2.20: a member of the family of 2.19, without differences for the engine."""

from __future__ import annotations

from mitopatch.versions.v2_19 import declared

BUNDLE = declared("2.20")
