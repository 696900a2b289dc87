"""What an environment proves before anything else: that it tests what its name says, and that Ansible is really patched.

tox sets TESTBED_CORE (2.16.7, or 2.16.* for the newest of a series) and TESTBED_PYTHON (python3.11) and stops at a failure
here. Everything is asked in processes of their own in an empty folder, where a checkout cannot stand in for the package.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

WANTED = os.environ.get("TESTBED_CORE", "")
IN_A_RUN = """
import json, sys
import ansible.executor.task_queue_manager
from mitopatch import ledger
book = ledger.current()
states = {} if book is None else {entry.declaration.key: entry.state for entry in book.entries}
print(json.dumps({"series": book and book.bundle.series, "applied": bool(book and book.applied), "states": states}))
"""


@pytest.fixture
def ask(tmp_path: Path) -> Any:
    """Run this environment's Python in an empty folder, mitopatch on, and return what it printed."""

    def run(*arguments: str, switch: str = "on") -> str:
        env = {"PATH": os.environ.get("PATH", ""), "HOME": str(tmp_path), "LC_ALL": "C.UTF-8", "MITOPATCH": switch, "COLUMNS": "1000"}
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture
def series(ask: Any) -> str:
    """The series that must be patched here: of the name, or without one of the installed release if it is supported."""
    if WANTED:
        return ".".join(WANTED.split(".")[:2])
    from mitopatch.versions import SUPPORTED

    found = installed(ask).rpartition(".")[0]
    if found not in {row.series for row in SUPPORTED}:
        pytest.skip(f"no bundle for ansible-core {found}, and no TESTBED_CORE that asks for one")
    return found


def installed(ask: Any) -> str:
    """The release that the command ansible itself reports."""
    text = ask(str(Path(sys.executable).parent / "ansible"), "--version", switch="off")
    found = re.search(r"\[core (\S+)\]", text)
    assert found, text
    return found[1]


@pytest.mark.skipif(not WANTED, reason="TESTBED_CORE is not set: any release will do")
def test_release_is_what_the_name_says(ask: Any) -> None:
    found = installed(ask)
    if WANTED.endswith(".*"):
        assert found.startswith(WANTED[:-1])
        from mitopatch.versions import SUPPORTED

        newest = next(row.newest for row in SUPPORTED if row.series == WANTED[:-2])
        assert int(found.rpartition(".")[2]) >= int(newest.rpartition(".")[2]), "not the newest of its series"
    else:
        assert found == WANTED


def test_python_is_what_the_name_says() -> None:
    wanted = os.environ.get("TESTBED_PYTHON", "")
    if not wanted.startswith("python3."):
        pytest.skip("TESTBED_PYTHON does not name a version: any Python will do")
    assert f"python{sys.version_info[0]}.{sys.version_info[1]}" == wanted


def test_bundle_of_the_series_is_chosen(ask: Any, series: str) -> None:
    status = ask("-m", "mitopatch", "status")
    found = re.search(r"(?m)^bundle +(\S+) \((\d+) of (\d+) declarations", status)
    assert found, status
    assert found[1] == series
    assert found[2] == found[3] != "0", status
    assert "\nactive here    yes" in status, status


def test_every_patch_is_applied_in_a_run(ask: Any, series: str) -> None:
    """Not a trial by the command, but what a run of Ansible finds that has nothing but MITOPATCH=on."""
    found = json.loads(ask("-c", IN_A_RUN).splitlines()[-1])
    assert found["series"] == series
    assert found["applied"]
    assert found["states"]
    assert set(found["states"].values()) == {"applied"}, found["states"]


def test_switched_off_it_is_plain(ask: Any, series: str) -> None:
    """What the behaviour run compares with has nothing of ours in it."""
    found = json.loads(ask("-c", IN_A_RUN, switch="off").splitlines()[-1])
    assert found == {"series": None, "applied": False, "states": {}}
