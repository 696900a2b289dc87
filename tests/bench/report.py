"""docs/performance.md, from the newest record of each workload and series: nothing in it is claimed by hand."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
RESULTS = Path(__file__).parent / "results"


def write() -> None:
    """Write the page."""
