"""[controller, worker] ansible-core 2.13: a member of the family of 2.11, without differences for the engine."""

from __future__ import annotations

from mitopatch.versions.v2_11 import declared

BUNDLE = declared("2.13")
