"""The tables of fingerprints know every release that is claimed to be supported, with its Pythons, and hold no upstream text."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.specifiers import SpecifierSet

from mitopatch import mitogen_release, select, versions
from mitopatch.fingerprint import Known

ROOT = Path(__file__).parent.parent.parent
ROWS = pytest.mark.parametrize("row", versions.SUPPORTED, ids=lambda row: row.series)


def expanded(spans: str) -> Iterator[str]:
    """2.16.0-2.16.2, 2.16.5 -> each release."""
    for span in spans.split(", "):
        first, _, last = span.partition("-")
        series, _, patch = first.rpartition(".")
        for number in range(int(patch), int((last or first).rpartition(".")[2]) + 1):
            yield f"{series}.{number}"


def table(row: versions.Row) -> dict[str, Any]:
    with open(os.path.join(select.FINGERPRINTS, f"{row.series}.json"), encoding="utf-8") as file:
        read: dict[str, Any] = json.load(file)
    return read


def test_one_table_a_series() -> None:
    assert set(os.listdir(select.FINGERPRINTS)) == {f"{row.series}.json" for row in versions.SUPPORTED} | {mitogen_release.TABLE}


def test_mitogens_table_begins_with_the_oldest_that_is_accepted() -> None:
    """Each series of ansible-core wants the same; the name of the table and the reader of its spans are for one series of Mitogen."""
    with open(os.path.join(select.FINGERPRINTS, mitogen_release.TABLE), encoding="utf-8") as file:
        releases = list(expanded(json.load(file)["releases"]))
    assert {row.mitogen for row in versions.SUPPORTED} == {versions.MITOGEN}
    assert f">={releases[0]},<0.4" == versions.MITOGEN
    assert all(release in SpecifierSet(versions.MITOGEN) for release in releases)


@ROWS
def test_every_release_from_the_oldest_to_the_newest(row: versions.Row) -> None:
    assert list(expanded(table(row)["releases"])) == list(expanded(f"{row.oldest}-{row.newest}"))


@ROWS
def test_every_release_names_its_pythons(row: versions.Row) -> None:
    pythons = table(row)["pythons"]
    releases = [release for spans in pythons.values() for release in expanded(spans)]
    assert sorted(releases) == sorted(expanded(f"{row.oldest}-{row.newest}"))
    named = {python for names in pythons for python in names.split(", ")}
    # Older ones cannot run mitopatch itself.
    assert set(row.pythons) == {python for python in named if int(python.partition(".")[2]) >= 9}
    for names in pythons:
        assert set(names.split(", ")) & set(row.pythons), f"{pythons[names]} run on no Python that mitopatch supports"


@ROWS
def test_values_are_fingerprints_of_known_releases(row: versions.Row) -> None:
    read = table(row)
    known = set(expanded(read["releases"]))
    for kind in ("symbols", "files"):
        for name, values in read[kind].items():
            for value, spans in values.items():
                assert re.fullmatch(r"[0-9a-f]{16}|import [\w.]+|from [\w.]+ import \w+|module [\w.]+", value), name
                assert set(expanded(spans)) <= known, name
    assert {key.partition(":")[0] for key in read["symbols"]} >= set(read["files"])
    loaded = Known.load(os.path.join(select.FINGERPRINTS, f"{row.series}.json"))
    assert loaded.symbols.keys() == read["symbols"].keys()


@ROWS
@pytest.mark.skipif(not (ROOT / "README.md").exists(), reason="not a checkout")
def test_readme_names_what_mitopatch_steps_aside_for(row: versions.Row) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for refusal, spans in table(row)["aside"].items():
        assert f"{spans}: {refusal}" in text
