"""Bad input: one sentence each, and plain Ansible where Ansible can run."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

import mitopatch
from mitopatch import release, select
from tests.bundle.conftest import SAMPLE, codes, command, events

ON = "[defaults]\nmitopatch = on\n"


def plain(done: Any, code: str) -> None:
    """The run went on as plain Ansible, with one warning."""
    assert done.returncode == 0, done.stderr
    assert codes(done) == [code], done.stderr
    assert events(done) == []
    assert done.stdout.count("said") == 2
    assert "Traceback" not in done.stderr
    assert "plain Ansible" in " ".join(done.stderr.split())


@pytest.mark.parametrize("pretended", ["2.9.27", "2.99.0.dev0"])
def test_unsupported_release(playbook: Any, pretended: str) -> None:
    plain(playbook(cfg=ON, MITOPATCH_SAMPLE_RELEASE=pretended), "MP101")


def test_unsupported_release_and_an_alias(playbook: Any) -> None:
    plain(playbook("strategy: mitopatch_free", MITOPATCH_SAMPLE_RELEASE="2.99.0"), "MP101")


def test_release_that_is_no_number(playbook: Any) -> None:
    plain(playbook(cfg=ON, MITOPATCH_SAMPLE_RELEASE="from a friend"), "MP104")


@pytest.mark.parametrize("strategy", ["", "strategy: mitopatch_free"])
def test_policy_error_stops_before_the_first_task(playbook: Any, strategy: str) -> None:
    done = playbook(strategy, ON, MITOPATCH_SAMPLE_RELEASE="2.99.0", MITOPATCH_UNKNOWN="error")
    assert done.returncode == 1
    assert codes(done) == ["MP101"]
    assert "TASK" not in done.stdout
    assert "Traceback" not in done.stderr


def test_policy_error_needs_mitopatch_to_be_on(playbook: Any) -> None:
    done = playbook(MITOPATCH_SAMPLE_RELEASE="2.99.0", MITOPATCH_UNKNOWN="error")
    assert done.returncode == 0
    assert codes(done) == []


@pytest.mark.parametrize("word", ["banana", "onn"])
def test_word_that_is_neither_on_nor_off(playbook: Any, word: str) -> None:
    done = playbook(cfg=f"[defaults]\nmitopatch = {word}\n")
    assert done.returncode == 0
    assert codes(done) == ["MP120"]
    assert events(done) == []


def test_broken_ansible_cfg_stays_ansibles_error(playbook: Any) -> None:
    done = playbook(cfg="[defaults\nmitopatch = on\n")
    assert done.returncode != 0
    assert "ansible.cfg" in done.stderr
    assert codes(done) == []


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A mitopatch of our own to be damaged, found before the installed one."""
    folder = tmp_path / "copy"
    shutil.copytree(os.path.dirname(mitopatch.__file__), folder / "mitopatch", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def table(copy: Path) -> Path:
    row = select.choose(str(release.installed())).row
    assert row is not None
    return copy / "mitopatch" / "versions" / "fingerprints" / f"{row.series}.json"


@pytest.mark.parametrize("text", ["", "{", '{"symbols": {}}', None])
def test_damaged_fingerprints(playbook: Any, copy: Path, text: Any) -> None:
    path = table(copy)
    path.unlink() if text is None else path.write_text(text)
    plain(playbook(cfg=ON, PYTHONPATH=str(copy)), "MP107")


def test_fingerprints_that_do_not_know_the_installed_body(playbook: Any, copy: Path) -> None:
    table(copy).write_text('{"symbols": {}, "files": {}}')
    plain(playbook(cfg=ON, PYTHONPATH=str(copy)), "MP108")


@pytest.mark.parametrize("name", ["bootstrap", "ledger", "select", "errors", "versions/aliases"])
def test_damaged_installation_does_not_break_ansible(playbook: Any, copy: Path, name: str) -> None:
    (copy / "mitopatch" / f"{name}.py").write_text("raise RuntimeError('damaged')\n")
    done = playbook(cfg=ON, real=True, PYTHONPATH=str(copy))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("said") == 2
    assert "Traceback" not in done.stderr
    assert len(codes(done)) <= 1


@pytest.mark.parametrize(("version", "code"), [(None, "MP105"), ("0.3.7", "MP106"), ("0.4.0", "MP106")])
def test_mitogen_that_will_not_do(playbook: Any, tmp_path: Path, version: Any, code: str) -> None:
    (tmp_path / "hide").mkdir()
    (tmp_path / "hide" / "sitecustomize.py").write_text(
        "import importlib.metadata as m\n"
        "real = m.version\n"
        "def version(name):\n"
        "    if name == 'mitogen':\n"
        f"        if {version!r} is None: raise m.PackageNotFoundError(name)\n"
        f"        return {version!r}\n"
        "    return real(name)\n"
        "m.version = version\n"
    )
    plain(playbook(cfg=ON, PYTHONPATH=str(tmp_path / "hide")), code)


def test_bundle_that_fails_to_begin(process: Any, tmp_path: Path) -> None:
    text = (
        f"import sys; sys.path.insert(0, {os.path.dirname(SAMPLE)!r})\n"
        "import sample, runpy, mitopatch.autoload\n"
        "sample.say = lambda text: 1 / 0 if text == 'BEGIN' else None\n"
        "sample.install()\n"
        f"sys.argv = ['ansible', 'localhost', '-m', 'debug', '-a', 'msg=said']\n"
        f"runpy.run_path({command('ansible')!r}, run_name='__main__')\n"
    )
    done = process(sys.executable, "-c", text, MITOPATCH="on")
    assert done.returncode == 0, done.stderr
    assert codes(done) == ["MP114"]
    assert "said" in done.stdout
    debug = process(sys.executable, "-c", text, MITOPATCH="on", MITOPATCH_DEBUG="1")
    assert debug.returncode == 0
    assert "ZeroDivisionError" in debug.stderr
    assert "Traceback" in debug.stderr
