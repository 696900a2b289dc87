"""The maintainer's side of the tables: spans, the text of a table, what is read of a series, the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from mitopatch import select
from mitopatch.declare import Bundle, Relies, Wrap
from mitopatch.errors import NotApplied, Reason
from tests.unit.conftest import SOURCES, wheel

drift = pytest.importorskip("maintenance.drift", reason="not a checkout")

WORDS = {"why": "a sample", "upstream": "none", "undo_when": "never"}
STRATEGY = "ansible.plugins.strategy"
FILE = "ansible/plugins/strategy/__init__.py"


def test_spans() -> None:
    found = [("2.1.0", "a"), ("2.1.1", "a"), ("2.1.2", "b"), ("2.1.3", None), ("2.1.4", "a"), ("2.1.5", "a"), ("2.1.7", "a")]
    assert drift.spans(found) == {"a": "2.1.0-2.1.1, 2.1.4-2.1.5, 2.1.7", "b": "2.1.2"}


def test_text_of_a_table_is_json_with_a_line_a_symbol() -> None:
    table = {"about": "x", "aside": {}, "symbols": {"m:A": {"f": "2.1.0"}, "m:B": {"f": "2.1.0", "g": "2.1.1"}}}
    text = drift.written(table)
    assert json.loads(text) == table
    assert '\n  "m:B": {"f": "2.1.0", "g": "2.1.1"}\n' in text


@pytest.fixture
def series(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bundle:
    """2.16.0 to 2.16.3 of the made-up ansible-core: 2.16.1 has another body, 2.16.3 other parameters."""
    run = SOURCES[FILE]
    sources = {
        "2.16.0": run,
        "2.16.1": run.replace("return iterator", "return None"),
        "2.16.2": run,
        "2.16.3": run.replace("run(iterator,", "run(iterators,"),
    }
    paths = {}
    for name, text in sources.items():
        (tmp_path / name).mkdir()
        number = {"ansible/release.py": f"__version__ = '{name}'\n"}
        paths[name] = str(wheel(tmp_path / name, {**SOURCES, FILE: text, **number}))
    made = Bundle(
        "2.16",
        "sample",
        [
            Wrap(STRATEGY, "Strategy.run", print, ("iterator", "rest", "key", "more"), **WORDS),
            Relies(STRATEGY, "Strategy.chosen", **WORDS),
        ],
    )
    monkeypatch.setattr(drift, "index", lambda: tuple(map(Version, [*paths, "2.17.0"])))
    monkeypatch.setattr(drift.fetch, "fetch", lambda name, folder: paths[name])
    monkeypatch.setattr(drift, "BASE", ())
    monkeypatch.setattr(drift.verdicts, "declarations", lambda bundle: bundle.declarations)
    monkeypatch.setattr(select, "bundle_of", lambda row: made)
    monkeypatch.setattr(select, "FINGERPRINTS", str(tmp_path / "tables"))
    return made


def test_series_is_read(series: Bundle) -> None:
    table = drift.read("2.16", series.declarations)
    run = table["symbols"][f"{STRATEGY}:Strategy.run"]
    assert sorted(run.values()) == ["2.16.0, 2.16.2", "2.16.1", "2.16.3"]
    assert table["parameters"][f"{STRATEGY}:Strategy.run"] == {
        "iterator, rest, key, more": "2.16.0-2.16.2",
        "iterators, rest, key, more": "2.16.3",
    }
    # Only where a body counts, a whole file may vouch for it.
    assert list(table["files"]) == [STRATEGY]
    assert list(table["symbols"][f"{STRATEGY}:Strategy.chosen"].values()) == ["2.16.0-2.16.3"]
    assert table["releases"] == "2.16.0-2.16.3"
    assert table["pythons"] == {"3.10, 3.11": "2.16.0-2.16.3"}
    assert table["aside"] == {f"{STRATEGY}:Strategy.run parameters changed": "2.16.3"}


def test_table_is_written_and_compared(series: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    assert drift.main(["--check", "2.16"]) == 1
    assert drift.main(["2.16"]) == 0
    said = capsys.readouterr().out
    assert f"steps aside for 2.16.3: {STRATEGY}:Strategy.run parameters changed" in said
    assert drift.main(["--check", "2.16"]) == 0
    assert "as on disk" in capsys.readouterr().out


def test_later_release_is_named(series: Bundle, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    rows = tuple(row._replace(newest="2.16.2") if row.series == "2.16" else row for row in select.versions.SUPPORTED)
    monkeypatch.setattr(select.versions, "SUPPORTED", rows)
    drift.main(["2.16"])
    assert "2.16.3: later than the newest" in capsys.readouterr().out


def test_report_shows_the_difference(series: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    assert drift.main(["--report", "2.16.0", "2.16.1"]) == 0
    said = capsys.readouterr().out
    assert f"body changed        {STRATEGY}:Strategy.run" in said
    assert f"same                {STRATEGY}:Strategy.chosen" in said
    assert "    -    return iterator\n    +    return None\n" in said
    drift.main(["--report", "2.16.0", "2.16"])
    assert f"parameters changed  {STRATEGY}:Strategy.run" in capsys.readouterr().out


def test_series_without_a_bundle(series: Bundle, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    rows = tuple(row for row in select.versions.SUPPORTED if row.series != "2.16")
    monkeypatch.setattr(select.versions, "SUPPORTED", rows)
    assert drift.main(["2.16"]) == 0
    assert "2.16 has no bundle yet" in capsys.readouterr().out


def test_wrong_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        drift.main(["--report", "2.16"])
    assert "two series" in capsys.readouterr().err


def test_release_that_cannot_be_had(series: Bundle, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(name: str, folder: str) -> Any:
        raise NotApplied(Reason("MP153", package="ansible-core", found=name, problem="no"))

    monkeypatch.setattr(drift.fetch, "fetch", refuse)
    assert drift.main(["2.16"]) == 2
    assert "MP153" in capsys.readouterr().err
