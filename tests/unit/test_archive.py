"""A release read from its archive: each shape, damaged ones, and names found as Python would find them."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import pytest

from mitopatch import fingerprint
from mitopatch.archive import Archive
from mitopatch.errors import NotApplied
from mitopatch.lookup import Found, Lookup
from tests.unit.conftest import RELEASE, SOURCES, directory, sdist, wheel

STRATEGY = "ansible.plugins.strategy"


def test_every_shape_is_read_alike(any_release: Path) -> None:
    found = Archive(str(any_release))
    assert found.release == RELEASE
    file = found.module(STRATEGY)
    assert file is not None
    assert file.digest == fingerprint.of_file(SOURCES["ansible/plugins/strategy/__init__.py"].encode())
    assert file is found.module(STRATEGY)
    assert found.module("ansible.plugins.nothing") is None
    assert found.package(STRATEGY) == STRATEGY
    assert found.package("ansible.plugins.strategy.free") == STRATEGY
    assert found.pythons == (("3.10", "3.11") if any_release.suffix in (".whl", ".gz") else ())


def test_current_directory(any_release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if any_release.is_dir():
        monkeypatch.chdir(any_release)
        assert Archive(".").release == RELEASE


def code_of(path: Path) -> str:
    with pytest.raises(NotApplied) as refused:
        Archive(str(path))
    return refused.value.reason.code


def test_what_is_no_release(tmp_path: Path) -> None:
    assert code_of(tmp_path) == "MP150"
    without = {name: text for name, text in SOURCES.items() if name != "ansible/release.py"}
    assert code_of(wheel(tmp_path, without)) == "MP150"
    assert code_of(sdist(tmp_path, without)) == "MP150"
    assert code_of(directory(tmp_path, {"ansible/release.py": "nothing = 1\n"})) == "MP150"


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
@pytest.mark.parametrize("damage", ["cut off", "begins wrong", "middle", "empty", "text"])
def test_damaged_archives_are_one_sentence(tmp_path: Path, kind: str, damage: str) -> None:
    # Something that does not compress, so that its middle is data.
    noise = "x = '" + "".join(fingerprint.of_file(str(number).encode()) for number in range(2000)) + "'\n"
    path = {"wheel": wheel, "sdist": sdist}[kind](tmp_path, {**SOURCES, "ansible/noise.py": noise})
    data = path.read_bytes()
    middle = len(data) // 2
    path.write_bytes(
        {
            "cut off": data[:middle],
            "begins wrong": b"\0" * 100 + data[100:],
            "middle": data[:middle] + bytes(255 - byte for byte in data[middle : middle + 50]) + data[middle + 50 :],
            "empty": b"",
            "text": b"<html>not found</html>\n",
        }[damage]
    )
    if kind == "wheel" and damage == "begins wrong":
        # A zip file is read from its end: only the first member is lost, and it is release.py.
        assert code_of(path) in ("MP150", "MP151")
    else:
        assert code_of(path) == "MP151"


def test_directory_that_cannot_be_read(tmp_path: Path) -> None:
    directory(tmp_path, SOURCES)
    (tmp_path / "ansible" / "base.py").unlink()
    (tmp_path / "ansible" / "base.py").symlink_to(tmp_path / "gone.py")
    assert code_of(tmp_path) == "MP151"


@pytest.fixture
def lookup(tmp_path: Path) -> Lookup:
    return Lookup(Archive(str(wheel(tmp_path, SOURCES))))


def found(lookup: Lookup, name: str, module: str = STRATEGY) -> Optional[Found]:
    try:
        return lookup.find(module, name)
    except LookupError:
        return None


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("Strategy.run", ("iterator", "rest", "key", "more")),
        ("Strategy.again", ("iterator", "rest", "key", "more")),
        ("Strategy.chosen", ("self",)),
        ("Strategy.shared", ("self", "a")),
        ("Strategy", ("self", "one", "two")),
        ("Renamed", ("self", "one", "two")),
        ("Alias.shared", ("self", "a")),
        ("free.Root.shared", ("self", "a")),
        ("free.Strategy.run", ("iterator", "rest", "key", "more")),
    ],
)
def test_names_are_followed(lookup: Lookup, name: str, parameters: tuple[str, ...]) -> None:
    symbol = found(lookup, name)
    assert symbol is not None
    assert symbol.parameters == parameters
    assert symbol.text is not None
    assert symbol.mark == fingerprint.of_source(symbol.text)


def test_one_body_under_every_name(lookup: Lookup) -> None:
    marks = [
        lookup.find(*place).mark for place in (("ansible.base", "Root"), (STRATEGY, "Root"), ("ansible.plugins.strategy.free", "Root"))
    ]
    assert len(set(marks)) == 1
    file = lookup.archive.module("ansible.base")
    assert file is not None
    assert marks[0] == fingerprint.of_source(file.text("Root") or "")


@pytest.mark.parametrize(
    ("name", "mark"), [("time", "import time"), ("os", "import os"), ("dumps", "from json import dumps"), ("base", "module ansible.base")]
)
def test_what_is_no_definition(lookup: Lookup, name: str, mark: str) -> None:
    assert lookup.find(STRATEGY, name) == Found(mark, None, None)


def test_values(lookup: Lookup) -> None:
    constant = lookup.find("ansible.plugins", "CONSTANT")
    assert constant == Found(fingerprint.of_source("CONSTANT = 3"), "CONSTANT = 3\n", None)
    assert lookup.find(STRATEGY, "loop").text == "loop = loop\n"


@pytest.mark.parametrize(
    ("module", "name", "said"),
    [
        ("ansible.nothing", "A", "no module ansible.nothing"),
        (STRATEGY, "Nothing", "Nothing"),
        (STRATEGY, "Strategy.nothing", "from multiprocessing import Process is not part of this release"),
        (STRATEGY, "Strategy.run.nothing", "Strategy.run has no nothing"),
    ],
)
def test_what_is_gone_is_named(lookup: Lookup, module: str, name: str, said: str) -> None:
    with pytest.raises(LookupError, match=said):
        lookup.find(module, name)
