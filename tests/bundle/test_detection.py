"""The installed ansible-core under another name, run to the end: development versions, distributions' builds, checkouts, two copies."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any, Callable

import pytest

import mitopatch
from mitopatch import release, select
from tests.bundle.conftest import codes, command

HERE = str(release.installed())
ROW = select.choose(HERE, "fallback").row
SERIES = ROW.series if ROW else ""
_MINOR = int(SERIES.rpartition(".")[2] or 0)
# A series that mitopatch can be made to forget, and that ansible_mitogen, which goes by the number, treats as the installed one:
# it draws its lines after 2.16, 2.18 and 2.20.
NEIGHBOUR = f"2.{_MINOR + 1 if _MINOR % 2 else _MINOR - 1}.0.dev0"
SITE = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Leave a mark
      debug: msg="{{ lookup('pipe', 'touch ' ~ playbook_dir ~ '/mark_' ~ inventory_hostname) }}"
"""
FINDER = """
import importlib.util, sys
class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return importlib.util.spec_from_file_location(name, {folder!r} + "/__init__.py") if name == "ansible" else None
sys.meta_path.insert(0, Finder)
"""

pytestmark = pytest.mark.skipif(ROW is None, reason=f"no bundle for the installed ansible-core ({HERE})")


class Copy:
    """A second ansible-core, linked file by file to the installed one, under a release text of its own."""

    def __init__(self, place: Path, text: str) -> None:
        self.place = place
        self.folder = place / "ansible"
        spec = release._spec()
        assert spec is not None
        assert spec.submodule_search_locations
        shutil.copytree(spec.submodule_search_locations[0], self.folder, copy_function=os.symlink)
        self.edit("release.py", r"__version__ = .*", f"__version__ = {text!r}")

    def edit(self, name: str, pattern: str, new: str) -> None:
        """Replace what the pattern finds; the file is one of this copy's own then."""
        path = self.folder / name
        text, count = re.subn(pattern, lambda match: match.expand(new) if "\\" in new else new, path.read_text(), count=1)
        assert count == 1, pattern
        path.unlink()
        path.write_text(text)

    def change_a_body(self) -> None:
        """The function that every bundle relies on gets one more statement."""
        self.edit("executor/process/worker.py", r"(    def _run\(self\)[^\n]*:\n)", "\\1        str()\n")


@pytest.fixture
def copy(tmp_path: Path) -> Callable[[str], Copy]:
    return lambda text: Copy(tmp_path / "lib", text)


@pytest.fixture
def alone(tmp_path: Path) -> str:
    """A mitopatch that knows no series but the installed one, so that this is the nearest to any other."""
    shutil.copytree(Path(mitopatch.__file__).parent, tmp_path / "alone" / "mitopatch", ignore=shutil.ignore_patterns("__pycache__"))
    with open(tmp_path / "alone" / "mitopatch" / "versions" / "__init__.py", "a") as file:
        file.write(f"\n\nSUPPORTED = tuple(row for row in SUPPORTED if row.series == {SERIES!r})\n")
    return str(tmp_path / "alone")


class Outcome:
    """What a playbook run did: hosts that were worked on, lines that workers left."""

    def __init__(self, done: Any, folder: Path) -> None:
        self.code = done.returncode
        self.said = done.stdout + done.stderr
        self.codes = codes(done)
        self.hosts = len(list(folder.glob("mark_*")))
        self.accelerated = (folder / "pids").exists()

    @property
    def short(self) -> tuple[int, int, bool, list[str]]:
        return self.code, self.hosts, self.accelerated, self.codes


@pytest.fixture
def play(process: Any, tmp_path: Path) -> Callable[..., Outcome]:
    """Run the playbook on two hosts, switched on, these folders first in the import path."""

    def run(*path: object, **environ: str) -> Outcome:
        (tmp_path / "site.yml").write_text(SITE)
        environ.update(
            MITOPATCH="on", MITOPATCH_WORKERS="1", MITOPATCH_PIDFILE=str(tmp_path / "pids"), PYTHONPATH=os.pathsep.join(map(str, path))
        )
        # Not the .pth line: the tests may run where it is not installed.
        start = [sys.executable, "-m", "mitopatch", "run", "--", command("ansible-playbook")]
        done = process(*start, "-i", "a,b,", "-c", "local", "site.yml", **environ)
        assert "Traceback" not in done.stderr + done.stdout
        return Outcome(done, tmp_path)

    return run


@pytest.mark.parametrize("text", [f"{HERE}-2.el9", f"1:{HERE}-1", f"{SERIES}.0~beta6-1", f"{SERIES}.99.dev0"])
def test_builds_of_a_supported_series_are_accelerated(play: Any, copy: Any, text: str) -> None:
    assert play(copy(text).place).short == (0, 2, True, [])


def test_a_checkout_found_by_the_finder_of_an_editable_install(play: Any, copy: Any, tmp_path: Path) -> None:
    checkout = copy(f"{SERIES}.0.dev0")
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hooks" / "sitecustomize.py").write_text(FINDER.format(folder=str(checkout.folder)))
    assert play(tmp_path / "hooks").short == (0, 2, True, [])


def test_a_changed_body_in_a_supported_series_is_plain(play: Any, copy: Any) -> None:
    build = copy(f"{HERE}-2.el9")
    build.change_a_body()
    assert play(build.place).short == (0, 2, False, ["MP108"])


@pytest.mark.parametrize(("text", "code"), [("2.99.0.dev0", "MP101"), ("devel", "MP104")])
def test_an_unknown_series_is_plain_with_one_warning(play: Any, copy: Any, text: str, code: str) -> None:
    assert play(copy(text).place).short == (0, 2, False, [code])


def test_nearest_is_in_force_where_the_bodies_are_the_same(play: Any, copy: Any, alone: str) -> None:
    assert play(alone, copy(NEIGHBOUR).place, MITOPATCH_UNKNOWN="nearest").short == (0, 2, True, ["MP102"])


def test_nearest_is_plain_where_a_body_is_not(play: Any, copy: Any, alone: str) -> None:
    build = copy(NEIGHBOUR)
    build.change_a_body()
    assert play(alone, build.place, MITOPATCH_UNKNOWN="nearest").short == (0, 2, False, ["MP102", "MP108"])


def test_error_stops_before_the_first_task_and_says_so(play: Any, copy: Any) -> None:
    done = play(copy("2.99.0.dev0").place, MITOPATCH_UNKNOWN="error")
    assert done.short == (1, 0, False, ["MP101"])
    assert "TASK" not in done.said
    assert "stops this run before its first task" in " ".join(done.said.split())
    assert "plain Ansible" not in done.said


def test_a_changed_body_is_an_error_too_if_the_user_wants_it(play: Any, copy: Any) -> None:
    build = copy(HERE)
    build.change_a_body()
    assert play(build.place, MITOPATCH_UNKNOWN="error").short == (1, 0, False, ["MP108"])


def test_status_names_both_copies_and_which_counts(process: Any, copy: Any) -> None:
    place = copy(f"{SERIES}.99.dev0").place
    done = process(sys.executable, "-m", "mitopatch", "status", PYTHONPATH=str(place))
    assert done.returncode == 0, done.stderr
    (note,) = [line for line in done.stdout.splitlines() if "MP115" in line]
    counts, hidden = note.split("counts")
    assert f"{SERIES}.99.dev0 in {place}" in counts
    assert f"{HERE} in " in hidden
    assert re.search(rf"(?m)^bundle +{re.escape(SERIES)} ", done.stdout)
    assert "outside the tested range" in done.stdout


def test_status_says_that_a_run_would_be_stopped(process: Any, copy: Any) -> None:
    done = process(sys.executable, "-m", "mitopatch", "status", PYTHONPATH=str(copy("2.99.0").place), MITOPATCH_UNKNOWN="error")
    assert re.search(r"(?m)^active here +no: MP101 .* stops this run before its first task", done.stdout)
