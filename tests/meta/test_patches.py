"""The source patches as files: each complete, small, used, and made for every body that is known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mitopatch import diffs, select, versions

FOLDER = Path(diffs.folder())
FILES = sorted(FOLDER.rglob("*.patch"))
SERIES = sorted(path.parent.name for path in FOLDER.glob("*/series"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_patch_is_complete_and_small(path: Path) -> None:
    patch = diffs.parse(path.name, path.read_text(encoding="utf-8"))
    for field in ("Target", "Why", "Upstream", "Undo-When"):
        assert patch.header[field].strip(), field
    for section in patch.sections:
        assert 0 < sum(len(hunk.added) for hunk in section.hunks) <= 30
        assert all(section.bodies.values()), "run python -m maintenance.patches refresh"


def test_every_patch_is_named_in_a_series() -> None:
    named = {(FOLDER / series / name).resolve() for series in SERIES for name in diffs.listed(series)}
    assert named == {path.resolve() for path in FILES}


@pytest.mark.parametrize("series", SERIES)
def test_series_loads(series: str) -> None:
    assert diffs.load(series)


@pytest.mark.parametrize("series", [row.series for row in versions.SUPPORTED])
def test_every_known_body_has_a_section(series: str) -> None:
    """The tables of fingerprints are written from all releases, so this holds for releases that are not installed here."""
    table = json.loads((Path(select.FINGERPRINTS) / f"{series}.json").read_text(encoding="utf-8"))["symbols"]
    for patch in diffs.load(series):
        known = table[patch.header["Target"]]
        assert set(known) <= set(patch.fingerprints), f"{patch.name}: run python -m maintenance.patches refresh"
