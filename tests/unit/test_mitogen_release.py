"""The check of Mitogen on made-up ones: what is noticed, what does not matter, and that whatever lies there ends in a sentence."""

from __future__ import annotations

import json
import py_compile
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any, Callable

import pytest

from mitopatch import fingerprint, mitogen_release, report, select
from mitopatch.errors import NotApplied
from mitopatch.lookup import Lookup
from mitopatch.mitogen_release import Table
from mitopatch.targets.reliance import BODY, CALL, ReliedOn

CORE = '''\
from mitogen.parts import moved
import inspect


class Router:
    def route(self, msg, *more):
        """Text."""
        return msg  # upstream's comment

    def call(self, a, b=1):
        return a
'''
PARTS = "def moved(x):\n    return x\n"
ITEMS = (
    ReliedOn("mitogen.core", "Router.route", BODY, "worker", "a sample"),
    ReliedOn("mitogen.core", "Router.call", CALL, "worker", "a sample"),
    ReliedOn("mitogen.core", "inspect", BODY, "worker", "a sample"),
    ReliedOn("mitogen.core", "moved", BODY, "worker", "a sample"),
)
SAME = ["same"] * 4


@pytest.fixture
def mitogen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Make a Mitogen that is found first: its two modules, as they are if nothing is given."""
    monkeypatch.setenv("MITOPATCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    for name in [name for name in sys.modules if name.partition(".")[0] in mitogen_release.PACKAGES]:
        monkeypatch.delitem(sys.modules, name)

    def make(core: str = CORE, parts: str = PARTS) -> Path:
        folder = tmp_path / "lib" / "mitogen"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "__init__.py").write_text("__version__ = (0, 3, 99)\n")
        (folder / "core.py").write_text(core)
        (folder / "parts.py").write_text(parts)
        fingerprint.forget()
        return folder

    return make


@pytest.fixture
def table(mitogen: Any) -> Table:
    """What is known: the made-up modules as they are."""
    mitogen()
    installed = mitogen_release.Installed()
    found = {item.key: Lookup(installed).find(item.module, item.name) for item in ITEMS}
    symbols = {key: {symbol.mark: "0.3.99"} for key, symbol in found.items()}
    parameters = {key: {", ".join(symbol.parameters): "0.3.99"} for key, symbol in found.items() if symbol.parameters is not None}
    file = installed.module("mitogen.core")
    assert file is not None
    fingerprint.forget()
    return Table("0.3.99", symbols, parameters, {"mitogen.core": {file.digest: "0.3.99"}})


def words(table: Table) -> list[str]:
    return [verdict.word for verdict in mitogen_release.verdicts(table, ITEMS)]


def codes(table: Table) -> list[str]:
    return [verdict.reason.code for verdict in mitogen_release.verdicts(table, ITEMS) if verdict.reason is not None]


@pytest.mark.parametrize(
    ("old", "new", "word", "code"),
    [
        ("  # upstream's comment", "  # another comment\n\n", SAME, []),
        ("import inspect\n", "import inspect\nOTHER = 3\n", SAME, []),
        ("return msg ", "return None ", ["body changed", "same", "same", "same"], ["MP160"]),
        ("msg, *more", "message, *more", ["parameters changed", "same", "same", "same"], ["MP161"]),
        ("def route", "def routes", ["gone", "same", "same", "same"], ["MP162"]),
        # Of what is only called another body does not matter, other parameters do.
        ("return a\n", "return b\n", ["same", "body changed", "same", "same"], []),
        ("a, b=1", "a, c=1", ["same", "parameters changed", "same", "same"], ["MP161"]),
        ("import inspect\n", "from other import inspect\n", ["same", "same", "body changed", "same"], ["MP160"]),
        ("import moved", "import other as moved", ["same", "same", "same", "gone"], ["MP162"]),
    ],
)
def test_what_is_noticed(mitogen: Any, table: Table, old: str, new: str, word: list[str], code: list[str]) -> None:
    assert words(table) == SAME
    assert CORE.count(old) == 1
    mitogen(CORE.replace(old, new))
    for _from_cache in (False, True):
        assert (words(table), codes(table)) == (word, code)
        fingerprint.forget()
    assert not [name for name in sys.modules if name.startswith("mitogen.")]


def test_texts_name_function_release_and_remedy(mitogen: Any, table: Table) -> None:
    mitogen(CORE.replace("return msg ", "return None "))
    (reason,) = [verdict.reason for verdict in mitogen_release.verdicts(table, ITEMS) if verdict.reason is not None]
    assert "mitogen.core:Router.route of mitogen 0.3.99" in reason.text
    assert "this run is plain Ansible" in reason.text
    assert "install a mitogen as published (0.3.99)" in reason.text


def test_a_function_that_comes_from_another_file_is_not_taken_from_the_cache(mitogen: Any, table: Table) -> None:
    mitogen(CORE + "# not as published\n")
    assert words(table) == SAME
    mitogen(CORE + "# not as published\n", PARTS.replace("return x", "return None"))
    assert words(table) == ["same", "same", "same", "body changed"]


def test_a_file_as_published_is_not_parsed(mitogen: Any, table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint.SourceFile, "tree", property(lambda self: pytest.fail("parsed")))
    assert words(table) == SAME


def test_a_file_that_is_not_is_parsed_once_in_a_lifetime(mitogen: Any, table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    items = ITEMS[:3]
    mitogen(CORE + "# not as published\n")
    assert [verdict.word for verdict in mitogen_release.verdicts(table, items)] == SAME[:3]
    fingerprint.forget()
    monkeypatch.setattr(fingerprint.SourceFile, "tree", property(lambda self: pytest.fail("parsed")))
    assert [verdict.word for verdict in mitogen_release.verdicts(table, items)] == SAME[:3]


def test_a_file_as_published_does_not_vouch_for_what_the_table_lacks(mitogen: Any, table: Table) -> None:
    del table.symbols["mitogen.core:Router.call"]  # type: ignore[attr-defined]
    assert codes(table) == ["MP160"]


def zipped(folder: Path) -> None:
    with zipfile.ZipFile(folder.parent.with_suffix(".zip"), "w") as archive:
        for path in folder.iterdir():
            archive.write(path, f"mitogen/{path.name}")
    shutil.rmtree(folder)
    sys.path[0] = str(folder.parent.with_suffix(".zip"))


def compiled(folder: Path) -> None:
    for path in list(folder.glob("*.py")):
        py_compile.compile(str(path), str(path.with_suffix(".pyc")))
        path.unlink()


def written(text: bytes) -> Callable[[Path], Any]:
    return lambda folder: (folder / "core.py").write_bytes(text)


def a_directory(folder: Path) -> None:
    (folder / "core.py").unlink()
    (folder / "core.py").mkdir()


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (zipped, "MP163"),
        (compiled, "MP163"),
        (written(b"def f(:\n"), "MP163"),
        (written(b"x = 1\0\n"), "MP163"),
        (written(b"x = '\xff'\n"), "MP163"),
        (written(b"("), "MP163"),
        (written(b""), "MP162"),
        (a_directory, "MP162"),
        (lambda folder: (folder / "core.py").unlink(), "MP162"),
        (lambda folder: (folder / "core.py").rename(folder / "core.so"), "MP163"),
        (lambda folder: shutil.copytree(folder, folder / "core"), "MP162"),  # a package stands before a module
        (lambda folder: (shutil.rmtree(folder), folder.write_text("")), "MP162"),
        (lambda folder: (shutil.rmtree(folder), (folder.parent / "mitogen.py").write_text("")), "MP162"),
    ],
)
def test_whatever_lies_there_ends_in_a_sentence(
    mitogen: Any, table: Table, damage: Any, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", sys.path[:1])  # no other Mitogen behind it
    damage(mitogen())
    importlib_caches()
    assert set(codes(table)) == {code}
    assert len(codes(table)) == len(ITEMS)


def importlib_caches() -> None:
    import importlib

    importlib.invalidate_caches()
    fingerprint.forget()


def test_line_ends_do_not_matter(mitogen: Any, table: Table) -> None:
    folder = mitogen()
    (folder / "core.py").write_bytes(CORE.replace("\n", "\r\n").encode())
    assert words(table) == SAME


def test_an_editable_install_is_asked(mitogen: Any, table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its finder answers for the package; the modules in it are found as Python finds them."""
    import importlib.util

    folder = mitogen()
    checkout = tmp_path / "checkout" / "mitogen"
    checkout.parent.mkdir()
    shutil.move(str(folder), checkout)

    class Finder:
        @staticmethod
        def find_spec(name: str, path: Any = None, target: Any = None) -> Any:
            where = str(checkout / "__init__.py")
            return (
                importlib.util.spec_from_file_location(name, where, submodule_search_locations=[str(checkout)])
                if name == "mitogen"
                else None
            )

    monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])
    assert words(table) == SAME
    assert mitogen_release.Installed().folder == str(checkout)
    (checkout / "core.py").write_text(CORE.replace("return msg ", "return None "))
    fingerprint.forget()
    assert codes(table) == ["MP160"]


def test_a_second_copy_is_named(mitogen: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path / "lib")])
    folder = mitogen()
    assert mitogen_release.copies() == [str(folder)]
    shutil.copytree(folder, tmp_path / "other" / "mitogen")
    sys.path.append(str(tmp_path / "other"))
    assert mitogen_release.copies() == [str(folder), str(tmp_path / "other" / "mitogen")]
    monkeypatch.setattr(report.release, "copies", lambda: [])
    (note,) = report.places()
    assert note.code == "MP164"
    assert f"{folder} counts" in note.text


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"symbols": 3, "files": {}, "parameters": {}}'])
def test_damaged_table_is_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    (tmp_path / mitogen_release.TABLE).write_text(text)
    monkeypatch.setattr(select, "FINGERPRINTS", str(tmp_path))
    for call in (mitogen_release.refusal, lambda: list(mitogen_release.verdicts())):
        with pytest.raises(NotApplied) as refused:
            call()
        assert refused.value.reason.code == "MP107"


def test_the_first_reason_is_the_refusal(mitogen: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: Table) -> None:
    made: dict[str, Any] = {"releases": "0.3.99", "symbols": table.symbols, "parameters": table.parameters, "files": table.files}
    (tmp_path / mitogen_release.TABLE).write_text(json.dumps(made))
    monkeypatch.setattr(select, "FINGERPRINTS", str(tmp_path))
    refused = mitogen_release.refusal()
    assert refused is not None
    assert refused.code == "MP162"  # the real list asks for what is not there
    assert fingerprint._FILES == {}, "the text is not kept in memory"
