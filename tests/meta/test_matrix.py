"""What is generated from the table of supported series is up to date, and names mean what tox.ini's head says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mitopatch.versions import SUPPORTED

ROOT = Path(__file__).parent.parent.parent
environments = pytest.importorskip("maintenance.environments", reason="not a checkout")
compatibility = pytest.importorskip("maintenance.compatibility", reason="not a checkout")
matrix = pytest.importorskip("maintenance.matrix", reason="not a checkout")
REPORT = '<testsuites><testsuite errors="0" failures="{failures}" skipped="{skipped}" tests="5">{case}</testsuite></testsuites>'


def test_tox_ini_is_up_to_date() -> None:
    text = (ROOT / "tox.ini").read_text(encoding="utf-8")
    assert environments.written(text) == text, "tox.ini is behind mitopatch/versions/__init__.py: run nox -s matrix"


@pytest.mark.parametrize(
    ("name", "release", "python", "short"),
    [
        ("core2.16", "2.16.*", "3.11", False),
        ("core2.16-oldest", "2.16.0", "3.11", True),
        ("core2.16.7", "2.16.7", "3.11", True),
        ("core2.16.7-py312", "2.16.7", "3.12", True),
        ("core2.16-py310", "2.16.*", "3.10", False),
        ("core2.11.12", "2.11.12", "3.9", True),
        ("core2.21-oldest", "2.21.0", "3.12", True),
    ],
)
def test_names(name: str, release: str, python: str, short: bool) -> None:
    found = environments.environment(name)
    assert found is not None
    assert (found.release, found.python, found.short) == (release, python, short)


@pytest.mark.parametrize("name", ["core2.16.999", "core1.9", "core2.16.7-py39", "core2.16-newest", "core2.16.7-core2.16.8", "py312"])
def test_what_is_no_name(name: str) -> None:
    assert environments.environment(name) is None


def test_every_release_and_every_python_is_in_the_matrix() -> None:
    chosen = matrix.wanted([])
    assert len({one.name for one in chosen}) == len(chosen)
    assert [(one.row, one.release) for one in chosen if "-py" not in one.name] == [
        (row, release) for row in SUPPORTED for release in environments.releases(row)
    ]
    for row in SUPPORTED:
        assert {one.python for one in chosen if one.release == row.newest} == set(row.pythons)


def test_a_part_of_the_matrix() -> None:
    assert {one.row.series for one in matrix.wanted(["2.16"])} == {"2.16"}
    assert {one.name for one in matrix.wanted(["2.19.3", "core2.21.5-py313"])} == {"core2.19.3", "core2.21.5-py313"}
    with pytest.raises(SystemExit, match=r"2\.99"):
        matrix.wanted(["2.16", "2.99"])


@pytest.mark.parametrize(
    ("code", "output", "report", "result"),
    [
        (0, "", REPORT.format(failures=0, skipped=0, case=""), "passed"),
        # What was skipped was not proved, and what left no report did not run.
        (0, "", REPORT.format(failures=0, skipped=1, case='<testcase name="test_ssh"><skipped/></testcase>'), "failed"),
        (0, "", REPORT.format(failures=1, skipped=0, case='<testcase name="test_same"><failure/></testcase>'), "failed"),
        (1, "", REPORT.format(failures=0, skipped=0, case=""), "failed"),
        (0, "", None, "failed"),
        (1, "E   MP108 an unknown body\n", None, "failed"),
        (1, "  core2.16.7: SKIP (0.1 seconds)\n", None, "skipped"),
        (1, "  core2.16.70: SKIP (0.1 seconds)\n", None, "failed"),
    ],
)
def test_outcome(tmp_path: Path, code: int, output: str, report: Any, result: str) -> None:
    path = tmp_path / "report.xml"
    if report is not None:
        path.write_text(report, encoding="utf-8")
    found = matrix.outcome("core2.16.7", code, output, path)
    assert found["result"] == result
    assert result == "passed" or found["why"]


def test_spans() -> None:
    assert compatibility.spans(["2.16.0", "2.16.1", "2.16.2", "2.16.9"]) == "2.16.0 to 2.16.2, 2.16.9"
    assert compatibility.spans([]) == ""


def test_the_page_says_what_the_results_say() -> None:
    """And a release without a result is named: the two files cannot claim more than was run."""
    read = json.loads((ROOT / "docs" / "compatibility.json").read_text(encoding="utf-8"))
    chosen = matrix.wanted([])
    assert [(row["release"], row["python"]) for row in read["results"]] == [(one.release, one.python) for one in chosen], (
        "docs/compatibility.json knows other releases than mitopatch/versions/__init__.py: run nox -s matrix-all"
    )
    results = {one.name: None if row["result"] == "not run" else row for one, row in zip(chosen, read["results"])}
    assert compatibility.page(results, read["mitopatch"]) == (ROOT / "docs" / "compatibility.md").read_text(encoding="utf-8")
    passed = [row for row in read["results"] if row["result"] == "passed"]
    assert all(row["tests"] and row["seconds"] and row["date"] and row["interpreter"].startswith(row["python"]) for row in passed)
