"""`mitopatch verify --release` on a made-up release, a made-up bundle and a pip that only pretends."""

from __future__ import annotations

import importlib.util
import json
import os
import stat
import sys
import textwrap
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mitopatch import diffs, fetch, fingerprint, select, verdicts
from mitopatch.archive import Archive
from mitopatch.cli import main
from mitopatch.declare import Bundle, Declaration, Edit, Relies, Replace, StandIn, Wrap
from mitopatch.errors import NotApplied
from mitopatch.fingerprint import Known
from mitopatch.lookup import Lookup
from tests.unit.conftest import METADATA, RELEASE, SOURCES, sdist, wheel

WORDS = {"why": "a sample", "upstream": "none", "undo_when": "never"}
STRATEGY = "ansible.plugins.strategy"
RUN = ("iterator", "rest", "key", "more")


def nothing(*_arguments: Any) -> None: ...


def marks(lookup: Lookup, *keys: str) -> dict[str, list[str]]:
    return {key: [lookup.find(*key.split(":")).mark] for key in keys}


@pytest.fixture
def lookup(tmp_path: Path) -> Lookup:
    return Lookup(Archive(str(wheel(tmp_path, SOURCES))))


def edit(name: str, of: str) -> Edit:
    """A source patch for one body of a function: its second line."""
    header = f"Target: {STRATEGY}:{name}\nWhy: a sample\nUpstream: none\nUndo-When: never\n---\n"
    return Edit(diffs.parse("sample.patch", f"{header}Body: {fingerprint.of_source(of)}\n@@ -2,1 +2,1 @@\n-1\n+    return 2\n"))


@pytest.mark.parametrize(
    ("declaration", "word", "code"),
    [
        (Wrap(STRATEGY, "Strategy.run", nothing, RUN, **WORDS), "same", None),
        (Wrap(STRATEGY, "Strategy.chosen", nothing, ("self",), **WORDS), "body changed", None),
        (Wrap(STRATEGY, "Strategy.run", nothing, ("self",), **WORDS), "parameters changed", "MP109"),
        (Wrap(STRATEGY, "Strategy.gone", nothing, ("self",), **WORDS), "gone", "MP110"),
        (Relies(STRATEGY, "Strategy.run", **WORDS), "same", None),
        (Relies(STRATEGY, "Strategy.chosen", **WORDS), "body changed", "MP108"),
        (Replace(STRATEGY, "Strategy.chosen", nothing, **WORDS), "body changed", "MP108"),
        (Replace(STRATEGY, "Strategy.run", nothing, signature=("a",), **WORDS), "parameters changed", "MP109"),
        (StandIn(STRATEGY, "time", nothing, **WORDS), "same", None),
        (StandIn(STRATEGY, "Root", nothing, signature=("self", "one", "two"), **WORDS), "body changed", None),
        (StandIn(STRATEGY, "Root", nothing, signature=("self", "one"), **WORDS), "parameters changed", "MP109"),
        (StandIn(STRATEGY, "time", nothing, signature=("self",), **WORDS), "parameters changed", "MP109"),
        (StandIn("ansible.nothing", "time", nothing, **WORDS), "gone", "MP110"),
        (edit("Strategy.chosen", "def chosen(self):\n    return 1\n"), "body changed", None),
        (edit("Strategy.run", "def run():\n    return 1\n"), "body changed", "MP141"),
        (edit("time", "import time"), "body changed", "MP141"),
    ],
    ids=lambda value: getattr(value, "kind", None),
)
def test_verdicts(lookup: Lookup, declaration: Declaration, word: str, code: Any) -> None:
    known = Known(marks(lookup, f"{STRATEGY}:Strategy.run", f"{STRATEGY}:time"))
    (found,) = verdicts.of_release([declaration], known, lookup)
    assert (found.word, found.reason.code if found.reason else None) == (word, code)
    assert found.line.startswith(word)
    assert declaration.key in found.line
    if found.reason is not None:
        assert "steps aside" in found.line
        assert RELEASE in found.line or code != "MP108"


def test_source_that_this_python_cannot_read(tmp_path: Path) -> None:
    lookup = Lookup(Archive(str(wheel(tmp_path, {**SOURCES, "ansible/base.py": "match = with\n"}))))
    with pytest.raises(NotApplied) as refused:
        verdicts.of_release([Relies("ansible.base", "Root", **WORDS)], Known({}), lookup)
    assert refused.value.reason.code == "MP152"
    assert "base.py, line 1" in refused.value.reason.text


def test_aliases_are_part_of_what_is_checked() -> None:
    keys = [item.key for item in verdicts.declarations(Bundle("2.16", "x", [Relies("a", "b", **WORDS)]))]
    assert keys[0] == "a:b"
    assert "ansible.playbook.play:Play.post_validate" in keys


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lookup: Lookup) -> Iterator[Bundle]:
    """A bundle for the made-up 2.16 in place of the real one, and its table."""
    row = next(row for row in select.versions.SUPPORTED if row.series == "2.16")
    made = Bundle("2.16", "sample", [Wrap(STRATEGY, "Strategy.run", nothing, RUN, **WORDS), Relies(STRATEGY, "Strategy.chosen", **WORDS)])
    module = types.ModuleType(row.module)
    module.BUNDLE = made  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, row.module, module)
    monkeypatch.setattr(select, "FINGERPRINTS", str(tmp_path))
    monkeypatch.setattr(verdicts, "declarations", lambda bundle: bundle.declarations)
    symbols = marks(lookup, f"{STRATEGY}:Strategy.run", f"{STRATEGY}:Strategy.chosen")
    (tmp_path / "2.16.json").write_text(json.dumps({"symbols": {key: {of[0]: RELEASE} for key, of in symbols.items()}, "files": {}}))
    return made


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(["verify", "--release", *arguments])
    return code, capsys.readouterr().out


def test_release_that_holds(capsys: pytest.CaptureFixture[str], bundle: Bundle, any_release: Path) -> None:
    code, said = asked(capsys, str(any_release))
    assert code == 0, said
    assert said.splitlines()[1:] == [
        f"same                wrap      {STRATEGY}:Strategy.run",
        f"same                relies    {STRATEGY}:Strategy.chosen",
        f"all 2 declarations hold for ansible-core {RELEASE}",
    ]


def test_release_that_does_not(capsys: pytest.CaptureFixture[str], bundle: Bundle, tmp_path: Path) -> None:
    changed = SOURCES[f"{STRATEGY.replace('.', '/')}/__init__.py"].replace("return 1", "return 3")
    code, said = asked(capsys, str(wheel(tmp_path, {**SOURCES, f"{STRATEGY.replace('.', '/')}/__init__.py": changed})))
    assert code == 1
    assert "body changed        relies" in said
    assert said.splitlines()[-1].startswith(f"MP108 {STRATEGY}:Strategy.chosen of ansible-core {RELEASE}")


@pytest.mark.parametrize(("number", "code", "said"), [("2.99.1", 1, "MP101"), ("a friend's", 1, "MP104")])
def test_release_without_a_bundle(capsys: pytest.CaptureFixture[str], tmp_path: Path, number: str, code: int, said: str) -> None:
    path = wheel(tmp_path, {**SOURCES, "ansible/release.py": f'__version__ = "{number}"\n'})
    assert asked(capsys, str(path))[0] == code
    assert said in asked(capsys, str(path))[1]


def test_bundle_that_cannot_be_imported_here(
    capsys: pytest.CaptureFixture[str], bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mitopatch.versions.v2_16", None)  # type: ignore[arg-type]
    code, said = asked(capsys, str(wheel(tmp_path, SOURCES)))
    assert code == 2
    assert "MP154" in said


@pytest.mark.parametrize(("argument", "word"), [("nonsense", "MP150"), ("2.16", "MP153"), ("./x.whl", "MP150")])
def test_nothing_to_check(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, argument: str, word: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    pretend(monkeypatch, tmp_path, "sys.exit('ERROR: No matching distribution found')")
    code, said = asked(capsys, argument)
    assert code == 2
    assert said.startswith(word)
    assert len(said.splitlines()) == 1


def pretend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str) -> None:
    """A pip that does what ``program`` says with its arguments."""
    folder = tmp_path / "pretended" / "pip"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "__main__.py").write_text("import os, sys\ntarget = sys.argv[sys.argv.index('--dest') + 1]\n" + textwrap.dedent(program))
    monkeypatch.syspath_prepend(str(folder.parent))
    monkeypatch.delitem(sys.modules, "pip", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(folder.parent))


def test_download_is_kept_whole_and_private(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    pretend(
        monkeypatch,
        tmp_path,
        """\
        assert "--no-deps" in sys.argv and sys.argv[-1] == "ansible-core==2.16.3"
        import setuptools
        assert "partial-" in setuptools.__file__, setuptools.__file__
        os.mkdir(target)
        open(os.path.join(target, "ansible_core-2.16.3-py3-none-any.whl"), "w").write("once")
        """,
    )
    path = fetch.fetch(RELEASE)
    assert path == str(tmp_path / "mitopatch" / "ansible_core-2.16.3-py3-none-any.whl")
    assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700
    assert os.listdir(os.path.dirname(path)) == [os.path.basename(path)]
    monkeypatch.setattr(fetch, "_download", lambda *arguments: pytest.fail("downloaded again"))
    assert fetch.fetch(RELEASE) == path


def test_leavings_of_a_killed_download_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pretend(monkeypatch, tmp_path, "sys.exit(1)")
    kept = tmp_path / "kept"
    for name, age in (("partial-old", fetch.LONGEST + 3600), ("partial-under-way", 5.0), ("other", 1e6)):
        (kept / name).mkdir(parents=True)
        (kept / name / "file").write_text("")
        os.utime(kept / name, (time.time() - age,) * 2)
    with pytest.raises(NotApplied):
        fetch.fetch(RELEASE, str(kept))
    assert sorted(os.listdir(kept)) == ["other", "partial-under-way"]


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("sys.exit('ERROR: first\\nERROR: no such release\\nnote')", "no such release"),
        ("sys.exit(3)", "pip says nothing"),
        ("os.mkdir(target)", "pip says nothing"),
    ],
)
def test_download_that_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str, said: str) -> None:
    pretend(monkeypatch, tmp_path, program)
    with pytest.raises(NotApplied) as refused:
        fetch.fetch(RELEASE, str(tmp_path / "kept"))
    assert refused.value.reason.code == "MP153"
    assert said in refused.value.reason.text
    assert os.listdir(tmp_path / "kept") == []


def test_without_pip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NotApplied) as refused:
        fetch.fetch(RELEASE, str(tmp_path))
    assert refused.value.reason.code == "MP155"


def test_cache_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(NotApplied) as refused:
        fetch.fetch(RELEASE)
    assert refused.value.reason.code == "MP153"


@pytest.mark.skipif(importlib.util.find_spec("pip") is None, reason="no pip in this environment")
def test_real_pip_runs_nothing_of_an_sdist(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    ran = tmp_path / "ran"
    script = f"open({str(ran)!r}, 'w')\nraise SystemExit('setup.py has run')\n"
    path = sdist(tmp_path / "index", SOURCES, METADATA, **{"setup.py": script})
    for name, value in (("PIP_NO_INDEX", "1"), ("PIP_FIND_LINKS", str(path.parent)), ("PIP_CONFIG_FILE", os.devnull)):
        monkeypatch.setenv(name, value)
    kept = fetch.fetch(RELEASE, str(tmp_path / "kept"))
    assert not ran.exists()
    assert Archive(kept).release == RELEASE
    assert fingerprint.of_file(Path(kept).read_bytes()) == fingerprint.of_file(path.read_bytes())
