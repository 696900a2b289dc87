"""The maintainer's side of the tables: spans, the text of a table, what is read of a series, the report."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from mitopatch import mitogen_release, select
from mitopatch.declare import Bundle, Relies, Wrap
from mitopatch.errors import NotApplied, Reason
from mitopatch.targets.reliance import ReliedOn
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
    monkeypatch.setattr(drift, "index", lambda package="ansible-core": tuple(map(Version, [*paths, "2.17.0"])))
    monkeypatch.setattr(drift.fetch, "fetch", lambda name, folder, package: paths[name])
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
    def refuse(name: str, folder: str, package: str) -> Any:
        raise NotApplied(Reason("MP153", package=package, found=name, problem="no"))

    monkeypatch.setattr(drift.fetch, "fetch", refuse)
    assert drift.main(["2.16"]) == 2
    assert "MP153" in capsys.readouterr().err


CORE = """\
class Base:
    def close(self):
        return 1


class Router(Base):
    def route(self, msg):
        return msg

    def close(self):
        return 2


def call():
    return 1
"""
RELIED = tuple(ReliedOn("mitogen.core", name, "body", "worker", "a sample") for name in ("Router.route", "Router.close", "call"))


@pytest.fixture
def mitogen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Five releases of a made-up Mitogen: the second has another body, the third lacks a function, the fourth inherits one, an sdist."""
    inherits = CORE.replace("return msg\n\n    def close(self):\n        return 2\n", "return msg\n")
    assert inherits != CORE
    sources = {
        "0.3.54": CORE,
        "0.3.55": CORE.replace("return msg", "return None"),
        "0.3.56": CORE.replace("def call", "def recall"),
        "0.3.57": inherits,
        "0.3.58": CORE,
    }
    paths = {}
    for name, text in sources.items():
        number = f"__version__ = ({', '.join(name.split('.'))})\n"
        files = {"mitogen/__init__.py": number, "mitogen/core.py": text, "ansible_mitogen/__init__.py": ""}
        paths[name] = tmp_path / (f"mitogen-{name}.tar.gz" if name == "0.3.58" else f"mitogen-{name}-py2.py3-none-any.whl")
        if name == "0.3.58":
            # Beside setup.py, and a copy further down that must not be taken for it.
            files = {**{f"mitogen-{name}/{path}": text for path, text in files.items()}, f"mitogen-{name}/tests/mitogen/core.py": "x = 1\n"}
            with tarfile.open(paths[name], "w:gz") as archive:
                for path, body in files.items():
                    member = tarfile.TarInfo(path)
                    member.size = len(body)
                    archive.addfile(member, io.BytesIO(body.encode()))
        else:
            with zipfile.ZipFile(paths[name], "w") as wheel_file:
                for path, body in files.items():
                    wheel_file.writestr(path, body)
    listed = tuple(map(Version, ["0.3.53", *paths, "0.4.0"]))
    monkeypatch.setattr(drift, "index", lambda package="ansible-core": listed if package == "mitogen" else ())
    monkeypatch.setattr(drift.fetch, "fetch", lambda name, folder, package: str(paths[name]))
    monkeypatch.setattr(drift, "RELIED_ON", RELIED)
    monkeypatch.setattr(select, "FINGERPRINTS", str(tmp_path / "tables"))
    return tmp_path / "tables" / mitogen_release.TABLE


def test_mitogens_releases_are_read(mitogen: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert drift.main(["--check", "mitogen"]) == 1
    assert drift.main(["mitogen"]) == 0
    assert drift.main(["--check", "mitogen"]) == 0
    table = json.loads(mitogen.read_text())
    assert table["releases"] == "0.3.54-0.3.58", "those that may stand beside mitopatch"
    assert sorted(table["symbols"]["mitogen.core:Router.route"].values()) == ["0.3.54, 0.3.56-0.3.58", "0.3.55"]
    assert table["parameters"]["mitogen.core:Router.route"] == {"self, msg": "0.3.54-0.3.58"}
    # The file of a release speaks only for what it defines: neither for what is gone, nor for what comes from elsewhere.
    assert sorted(table["files"]["mitogen.core"].values()) == ["0.3.54, 0.3.58", "0.3.55"]
    assert table["aside"] == {"mitogen.core:call gone": "0.3.56", "mitogen.core:Router.close is mitogen.core:Base.close": "0.3.57"}
    said = capsys.readouterr().out
    assert "steps aside for 0.3.56: mitogen.core:call gone" in said


def test_report_on_mitogen(mitogen: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert drift.main(["--report", "mitogen", "0.3.54", "0.3.55"]) == 0
    said = capsys.readouterr().out
    assert "body changed        mitogen.core:Router.route" in said
    assert "    -    return msg\n    +    return None\n" in said
    assert "mitogen 0.3.54 to mitogen 0.3.55: 2 same, 1 body changed" in said.replace("1 body changed, 2 same", "2 same, 1 body changed")
    drift.main(["--report", "mitogen", "0.3.55", "0.3.56"])
    assert "gone                mitogen.core:call" in capsys.readouterr().out
