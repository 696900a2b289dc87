"""[controller, worker] Family head 2.15: ansible-core 2.15 to 2.18. Workers have a number, and a queue for answers to prompts."""

from __future__ import annotations

from mitopatch.declare import Bundle
from mitopatch.versions.declarations import bundle_declarations
from mitopatch.versions.family import PositionalFamily
from mitopatch.versions.patches import Patches

FAMILY = PositionalFamily()


def declared(series: str) -> Bundle:
    """The bundle of 2.15, 2.16, 2.17 or 2.18: they differ in bodies only."""
    return Bundle(series, "2.15", bundle_declarations(series, Patches(FAMILY)))


BUNDLE = declared("2.15")
