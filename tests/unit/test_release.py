"""Which ansible-core is installed: texts as upstream and distributions write them, copies that hide one another, remains."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys
import types
import zipfile
from pathlib import Path
from typing import Any, Optional

import pytest
from packaging.version import Version

from mitopatch import release, report, select, versions
from mitopatch.errors import Reason


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("__version__ = '2.16.3'\n", "2.16.3"),
        ('# x\n__version__ = "2.19.0rc1"\n__author__ = "a"\n', "2.19.0rc1"),
        ("from __future__ import annotations\n__version__: str = '2.16.3.post1'\n", "2.16.3.post1"),
        ("__version__: typing.Final[str] = u'2.16.3'  # ours\n", "2.16.3"),
        ("__version__ = ('2.16.3'\n    '+something')\n", "2.16.3+something"),
        ("version = __version__ = '''2.16.3'''\n", "2.16.3"),
        ("__version__ = '2.16.2'\n__version__ = '2.16.3'\n", "2.16.3"),
        ("__version__ = metadata.version('ansible-core')\n", ""),
        ("__version__ = ''\n", ""),
        ("__version__: str\n", ""),
        ("nothing\n", ""),
        ("<<<<<<< HEAD\n__version__ = '2.16.3'\n", ""),
        ("\0", ""),
        ("", ""),
    ],
)
def test_what_a_release_file_says(tmp_path: Path, source: str, found: str) -> None:
    (tmp_path / "release.py").write_text(source)
    assert release.installed([str(tmp_path)]) == found


def test_a_folder_without_a_release_file_is_no_ansible_core(tmp_path: Path) -> None:
    found = release.installed([str(tmp_path)])
    assert isinstance(found, Reason)
    assert found.code == "MP103"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2.22.0.dev0", "2.22.0.dev0"),
        ("2.20.0rc1", "2.20.0rc1"),
        ("2.19.0b4", "2.19.0b4"),
        ("2.16.3+something", "2.16.3+something"),
        ("2.16.3.post1", "2.16.3.post1"),
        # Debian, with and without a revision
        ("2.14.18-0+deb12u2", "2.14.18.post0+deb12u2"),
        ("2.19.0~beta6-1", "2.19.0b6.post1"),
        ("2.14.18+dfsg-1~bpo11+1", "2.14.18"),
        ("1:2.16.3-1", "2.16.3.post1"),
        # Fedora and RHEL
        ("2.16.3-2.el9", "2.16.3"),
        ("2.14.18-1.el9_4", "2.14.18"),
        ("2.16.3-1.fc40", "2.16.3"),
        ("2.19.0~rc2-1.fc42", "2.19.0"),
        ("1:2.16.3-2.el9", "2.16.3"),
        # git describe, a tag, blanks
        ("2.16.3-12-gabc1234", "2.16.3"),
        ("v2.16.3", "2.16.3"),
        (" 2.16.3\n", "2.16.3"),
    ],
)
def test_texts_that_are_understood(text: str, number: str) -> None:
    assert release.parse(text) == Version(number)


@pytest.mark.parametrize("text", ["devel", "", " ", "from a friend", "two.16", "-2.16.3", "~", "1:", "9" * 5000])
def test_nonsense_is_no_version(text: str) -> None:
    found = release.parse(text)
    assert isinstance(found, Reason)
    assert found.code == "MP104"
    choice = select.choose(text, "nearest")
    assert choice.row is None
    assert choice.reason is not None
    assert choice.reason.code == "MP104"


@pytest.mark.parametrize("row", versions.SUPPORTED, ids=lambda row: row.series)
@pytest.mark.parametrize("shape", ["{}~beta6-1", "{}-2.el9", "{}+dfsg-1~bpo11+1", "1:{}-1", "{}-0+deb12u2", "{}-1.el9_4", "{}-1.fc40"])
def test_a_distributions_build_gets_the_bundle_of_its_series(row: versions.Row, shape: str) -> None:
    choice = select.choose(shape.format(row.newest))
    assert choice.row is row
    assert choice.notice is None


def test_a_distributions_build_of_a_tested_release_is_inside_the_range_and_a_candidate_is_not() -> None:
    row = versions.SUPPORTED[-1]
    for text in ("{}-2.el9", "1:{}-1", "{}-0+deb12u2", "{}+local", "{}.post1"):
        assert not select.beyond_tested(row, text.format(row.newest))
    for text in (f"{row.series}.0rc1", f"{row.series}.0.dev0", f"{row.oldest}~beta6-1", f"{row.series}.99-1.el9"):
        assert select.beyond_tested(row, text)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2.16.3", "2.16.3-2.el9", True),
        ("2.16.3", "2.16.3+something", True),
        ("2.16.3", "2.16.4", False),
        ("2.16.0", "2.16.0rc1", False),
        ("devel", "devel", True),
        ("devel", "2.16.0", False),
    ],
)
def test_same_release(one: str, other: str, same: bool) -> None:
    assert select.same_release(one, other) is same


@pytest.fixture
def imports(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A process that has not imported Ansible, with an import path of the test's own."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "ansible"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [])
    return monkeypatch


def package(place: Path, text: Optional[str] = None, metadata: str = "", name: str = "ansible-core") -> str:
    """An ``ansible`` in this folder, and the metadata of a package beside it."""
    folder = place / "ansible"
    folder.mkdir(parents=True, exist_ok=True)
    if text is not None:
        (folder / "__init__.py").write_text("raise RuntimeError('imported')\n")
        (folder / "release.py").write_text(f"__version__ = {text!r}\n")
    if metadata:
        about = place / f"{name.replace('-', '_')}-{metadata}.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {metadata}\n")
        (about / "top_level.txt").write_text("ansible\n" if name != "ansible" or metadata.startswith("2.9") else "ansible_collections\n")
    return str(place)


def test_of_two_copies_the_one_an_import_gives_counts(imports: pytest.MonkeyPatch, tmp_path: Path) -> None:
    checkout, wheel = package(tmp_path / "lib", "2.22.0.dev0"), package(tmp_path / "site", "2.16.3", "2.16.3")
    imports.setattr(sys, "path", [checkout, wheel, wheel])
    assert release.installed() == "2.22.0.dev0"
    assert [copy.text for copy in release.copies()] == ["2.22.0.dev0", "2.16.3"]
    (note,) = report.places()
    assert note.code == "MP115"
    for fact in ("2 copies", f"2.22.0.dev0 in {checkout}", f"2.16.3 in {wheel}"):
        assert fact in note.text
    imports.setattr(sys, "path", [wheel, checkout])
    assert release.installed() == "2.16.3"


def test_the_copy_that_is_imported_already_counts_whatever_the_path_says_now(imports: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first, second = package(tmp_path / "first", "2.16.3"), package(tmp_path / "second", "2.19.0")
    imports.setattr(sys, "path", [first, second])
    spec = importlib.util.find_spec("ansible")
    assert spec is not None
    imports.setitem(sys.modules, "ansible", importlib.util.module_from_spec(spec))
    imports.setattr(sys, "path", [second, first])
    assert release.installed() == "2.16.3"
    assert [copy.text for copy in release.copies()] == ["2.16.3", "2.19.0"]
    loaded = types.ModuleType("ansible.release")
    loaded.__version__ = "2.16.3+computed"  # type: ignore[attr-defined]
    imports.setitem(sys.modules, "ansible.release", loaded)
    assert release.installed() == "2.16.3+computed"


def test_one_copy_reached_twice_is_one(imports: pytest.MonkeyPatch, tmp_path: Path) -> None:
    site = package(tmp_path / "site", "2.16.3")
    (tmp_path / "link").symlink_to(site)
    imports.setattr(sys, "path", [site, str(tmp_path / "link"), site + os.sep])
    assert list(report.places()) == []


def test_an_editable_install_is_found_by_its_finder(imports: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """setuptools' finder is on sys.meta_path and the checkout is not on sys.path."""
    folder = os.path.join(package(tmp_path / "lib", "2.21.0.dev0"), "ansible")

    class Finder:
        @staticmethod
        def find_spec(name: str, path: Any = None, target: Any = None) -> Any:
            return importlib.util.spec_from_file_location(name, f"{folder}/__init__.py") if name == "ansible" else None

    imports.setattr(sys, "meta_path", [*sys.meta_path, Finder])
    imports.setattr(sys, "path", [str(tmp_path)])
    assert release.installed() == "2.21.0.dev0"
    assert release.copies() == [release.Copy(folder, "2.21.0.dev0")]


def test_an_archive_on_the_path_is_read_through_its_loader(imports: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("ansible/__init__.py", "")
        archive.writestr("ansible/release.py", "__version__ = '2.16.3'\n")
    imports.setattr(sys, "path", [str(tmp_path / "a.zip")])
    assert release.installed() == "2.16.3"


@pytest.mark.parametrize("names", [[], ["ansible"], ["ansible_collections"], ["ansible/plugins", "ansible_collections/a/b"]])
def test_remains_of_an_uninstalled_package_are_no_ansible_core(imports: pytest.MonkeyPatch, tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).mkdir(parents=True)
    imports.setattr(sys, "path", [str(tmp_path)])
    found = release.installed()
    assert isinstance(found, Reason)
    assert found.code == "MP103"
    assert release.copies() == []
    assert list(report.places()) == []


def test_remains_hide_no_ansible_core(imports: pytest.MonkeyPatch, tmp_path: Path) -> None:
    remains, site = package(tmp_path / "remains"), package(tmp_path / "site", "2.16.3", "2.16.3")
    imports.setattr(sys, "path", [remains, site])
    assert release.installed() == "2.16.3"
    assert list(report.places()) == []


@pytest.mark.parametrize(
    ("name", "metadata", "mixed"),
    [
        ("ansible-core", "2.16.3", False),
        ("ansible-core", "2.15.1", True),
        ("ansible-base", "2.10.17", True),
        ("ansible", "2.9.27", True),
        ("ansible", "9.2.0", False),
    ],
)
def test_metadata_of_another_release_is_named(imports: pytest.MonkeyPatch, tmp_path: Path, name: str, metadata: str, mixed: bool) -> None:
    imports.setattr(sys, "path", [package(tmp_path, "2.16.3", metadata, name)])
    assert release.installed() == "2.16.3"
    notes = list(report.places())
    assert [note.code for note in notes] == (["MP116"] if mixed else [])
    if mixed:
        assert f"{name} {metadata}" in notes[0].text


def test_metadata_of_a_hidden_copy_is_its_own(imports: pytest.MonkeyPatch, tmp_path: Path) -> None:
    imports.setattr(sys, "path", [package(tmp_path / "lib", "2.22.0.dev0"), package(tmp_path / "site", "2.16.3", "2.16.3")])
    assert [note.code for note in report.places()] == ["MP115"]


@pytest.mark.parametrize("module", [None, types.ModuleType("ansible")])
def test_an_ansible_that_is_none(imports: pytest.MonkeyPatch, module: Any) -> None:
    """Blocked by somebody (None in sys.modules), or made by hand: no error of ours."""
    imports.setitem(sys.modules, "ansible", module)
    assert isinstance(release.installed(), Reason)
    assert release.copies() == []
