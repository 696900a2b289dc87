"""Processes with an Ansible in them: each has a time limit, its own folder and no settings of the person who runs the tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable

import pytest

from mitopatch import release

SAMPLE = str(Path(__file__).with_name("sample.py"))
SITE = """
- hosts: all
  gather_facts: false
  {strategy}
  tasks:
    - name: Say it
      debug: msg=said
"""


def command(name: str) -> str:
    """A console script of the environment that runs the tests."""
    return os.path.join(os.path.dirname(sys.executable), name)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if isinstance(release.installed(), str):
        return
    for item in items:
        if "bundle" in Path(item.fspath).parts:
            item.add_marker(pytest.mark.skip(reason="no ansible-core in this environment"))


@pytest.fixture
def process(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command line in the test's folder; keyword arguments are environment variables."""

    def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "MITOPATCH"))}
        kept.update(ANSIBLE_NOCOLOR="1", COLUMNS="1000", HOME=str(tmp_path), LC_ALL="C.UTF-8", **environ)
        return subprocess.run(
            arguments, cwd=tmp_path, env=kept, capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL
        )

    return run


@pytest.fixture
def playbook(process: Any, tmp_path: Path) -> Callable[..., Any]:
    """Run a one-task playbook on two hosts; the sample stands in for the real bundle unless ``real`` is set."""

    def run(strategy: str = "", cfg: str = "", real: bool = False, **environ: str) -> Any:
        (tmp_path / "site.yml").write_text(SITE.format(strategy=strategy))
        if cfg:
            (tmp_path / "ansible.cfg").write_text(cfg)
        start = [] if real else [sys.executable, SAMPLE]
        return process(*start, command("ansible-playbook"), "-i", "a,b,", "-c", "local", "site.yml", **environ)

    return run


def events(done: Any) -> list[str]:
    """What the sample said."""
    return [line[len("SAMPLE ") :] for line in done.stderr.splitlines() if line.startswith("SAMPLE ")]


def codes(done: Any) -> list[str]:
    """The codes of our sentences in the output, in order."""
    words = (done.stderr + done.stdout).split()
    return [word for word in words if len(word) == 5 and word.startswith("MP") and word[2:].isdigit()]
