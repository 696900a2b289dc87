"""Another Mitogen first in the import path, and a real ansible-playbook: plain where a function is changed, accelerated where none is."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any, Callable

import pytest

from mitopatch import release, select
from mitopatch.mitogen_release import PACKAGES
from mitopatch.targets.relied_on import RELIED_ON
from tests.bundle.conftest import codes, command

SITE = """
- hosts: all
  gather_facts: false
  tasks:
    - command: echo done
      vars: {ansible_python_interpreter: "{{ ansible_playbook_python }}"}
"""
FINDER = """
import importlib.util, sys
class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in ("mitogen", "ansible_mitogen"):
            return importlib.util.spec_from_file_location(name, {folder!r} + "/" + name + "/__init__.py")
sys.meta_path.insert(0, Finder)
"""
WITHOUT_METADATA = """
import importlib.metadata
def version(name, upstream=importlib.metadata.version):
    if name == "mitogen":
        raise importlib.metadata.PackageNotFoundError(name)
    return upstream(name)
importlib.metadata.version = version
"""
ROUTE = "    def _async_route(self, msg, in_stream=None):\n"
PARSE = "def parse_hashbang(source):\n"

pytestmark = [
    pytest.mark.skipif(select.choose(str(release.installed()), "fallback").row is None, reason="no bundle for this ansible-core"),
    pytest.mark.skipif(importlib.util.find_spec("mitogen") is None, reason="no mitogen in this environment"),
]


class Copy:
    """A second Mitogen, linked file by file to the installed one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in PACKAGES:
            spec = importlib.util.find_spec(name)
            assert spec is not None
            assert spec.submodule_search_locations
            shutil.copytree(
                spec.submodule_search_locations[0], folder / name, copy_function=os.symlink, ignore=shutil.ignore_patterns("__pycache__")
            )

    def edit(self, name: str, old: str, new: str) -> Copy:
        """Replace a text that stands there once; the file is one of this copy's own then."""
        path = self.folder / name
        text = path.read_text()
        assert text.count(old) == 1, old
        path.unlink()
        path.write_text(text.replace(old, new))
        return self


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path / "lib")


@pytest.fixture
def run(process: Any, tmp_path: Path) -> Callable[..., Any]:
    """Run the playbook on two hosts, switched on: exit code, whether there were workers, how many tasks ended well, our codes."""

    def go(path: object, **environ: str) -> tuple[int, bool, int, list[str]]:
        (tmp_path / "site.yml").write_text(SITE)
        environ = {"MITOPATCH": "on", "MITOPATCH_WORKERS": "1", "MITOPATCH_PIDFILE": str(tmp_path / "pids"), **environ}
        start = [sys.executable, "-m", "mitopatch", "run", "--", command("ansible-playbook")]
        done = process(*start, "-i", "a,b,", "-c", "local", "site.yml", PYTHONPATH=str(path), **environ)
        assert "Traceback" not in done.stderr + done.stdout
        return (
            done.returncode,
            (tmp_path / "pids").exists(),
            len(re.findall(r"^changed: \[[ab]\]$", done.stdout, re.MULTILINE)),
            codes(done),
        )

    return go


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("mitogen/core.py", ROUTE, f"{ROUTE}        # a distribution's word\n"),
        ("mitogen/core.py", "class BufferedWriter(object):\n", "class Another(object):\n    pass\n\n\nclass BufferedWriter(object):\n"),
        ("ansible_mitogen/parsing.py", PARSE, f"{PARSE}    str()\n"),  # only called
    ],
)
def test_a_change_that_does_not_matter_is_accelerated(run: Any, copy: Copy, name: str, old: str, new: str) -> None:
    copy.edit(name, old, new)
    assert run(copy.folder) == (0, True, 2, [])


@pytest.mark.parametrize(
    ("name", "old", "new", "code"),
    [
        ("mitogen/core.py", ROUTE, f"{ROUTE}        str()\n", "MP160"),
        ("mitogen/core.py", ROUTE, "    def _async_route(self, msg, in_stream=None, other=None):\n", "MP161"),
        ("mitogen/core.py", ROUTE, "    def _route_async(self, msg, in_stream=None):\n", "MP162"),
        ("ansible_mitogen/parsing.py", PARSE, "def parse_hashbang(source, other=None):\n", "MP161"),
    ],
)
def test_a_change_that_does_is_plain_with_one_warning(run: Any, copy: Copy, name: str, old: str, new: str, code: str) -> None:
    copy.edit(name, old, new)
    assert run(copy.folder) == (0, False, 2, [code])


def test_it_is_an_error_if_the_user_wants_it(run: Any, copy: Copy) -> None:
    copy.edit("mitogen/core.py", ROUTE, f"{ROUTE}        str()\n")
    assert run(copy.folder, MITOPATCH_UNKNOWN="error") == (1, False, 0, ["MP160"])


def test_a_file_that_is_gone(run: Any, copy: Copy) -> None:
    (copy.folder / "mitogen" / "service.py").unlink()
    assert run(copy.folder) == (0, False, 2, ["MP162"])


def test_an_archive_on_the_path(run: Any, copy: Copy, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "lib.zip", "w") as archive:
        for path in copy.folder.rglob("*.py"):
            archive.write(path, path.relative_to(copy.folder))
    assert run(tmp_path / "lib.zip") == (0, False, 2, ["MP163"])


def test_byte_code_without_source(run: Any, copy: Copy) -> None:
    import py_compile

    for path in list(copy.folder.rglob("*.py")):
        py_compile.compile(str(path), str(path.with_suffix(".pyc")))
        path.unlink()
    assert run(copy.folder) == (0, False, 2, ["MP163"])


def test_a_checkout_found_by_the_finder_of_an_editable_install(run: Any, copy: Copy, tmp_path: Path) -> None:
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "sitecustomize.py").write_text(FINDER.format(folder=str(copy.folder)))
    assert run(hooks) == (0, True, 2, [])
    (tmp_path / "pids").unlink()
    copy.edit("mitogen/core.py", ROUTE, f"{ROUTE}        str()\n")
    assert run(hooks) == (0, False, 2, ["MP160"])


def test_a_copy_without_metadata(run: Any, copy: Copy) -> None:
    (copy.folder / "sitecustomize.py").write_text(WITHOUT_METADATA)
    assert run(copy.folder) == (0, False, 2, ["MP105"])


def test_the_commands_name_what_is_changed(process: Any, copy: Copy) -> None:
    copy.edit("mitogen/core.py", ROUTE, f"{ROUTE}        str()\n").edit("ansible_mitogen/parsing.py", PARSE, "def gone():\n")
    path = str(copy.folder)
    first = "MP160 mitogen.core:Router._async_route of mitogen "

    def lines(*arguments: str) -> list[str]:
        done = process(sys.executable, "-m", "mitopatch", *arguments, PYTHONPATH=path, MITOPATCH="on")
        assert "Traceback" not in done.stderr + done.stdout
        assert done.returncode == (arguments == ("verify",)), done.stdout + done.stderr
        return list(done.stdout.splitlines())

    def words(said: list[str]) -> dict[str, int]:
        """How many functions of Mitogen there are of each word."""
        found = [re.match(r" *(same|body changed|gone) +(?:body|call) +(?:ansible_)?mitogen\.", line) for line in said]
        counted = [match[1] for match in found if match]
        return {word: counted.count(word) for word in counted}

    everything = {"same": len(RELIED_ON) - 2, "body changed": 1, "gone": 1}
    verify = lines("verify")
    assert words(verify) == everything
    assert verify[-1].startswith(first)
    assert [line for line in verify if line.startswith("same ") and " wrap " in line], "ansible-core's are still looked at"
    status = lines("status")
    assert words(status) == everything
    assert any(line.startswith(f"active here    no: {first}") for line in status)
    assert any(
        line.startswith("mitogen        ") and f"({len(RELIED_ON) - 2} of {len(RELIED_ON)} functions as known)" in line for line in status
    )
    assert any("MP164 2 copies of mitogen" in line and f"{path}/mitogen counts" in line for line in status)
    doctor = lines("doctor")
    assert [line.split()[3] for line in doctor if line.startswith("mitogen file")] == ["ansible_mitogen.parsing,", "mitogen.core,"]
    shown = lines("show", str(select.choose(str(release.installed())).row.series))  # type: ignore[union-attr]
    place = shown.index("body      mitogen.core:Router._async_route")
    assert [line.split()[0] for line in shown[place + 1 : place + 4]] == ["why", "runs", "here"]
    assert shown[place + 3].split(maxsplit=1)[1] == "body changed"
