"""Fixtures of the real-input tests: servers to connect to, runs to compare, the bundle that should be active."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from testbed import sshd, stranger
from testbed.private import private_bench
from testbed.runs import Bench

# The series that must have a bundle. Not read from the package: a package that forgets one would agree with itself.
SUPPORTED = tuple(f"2.{minor}" for minor in range(11, 22))


@pytest.fixture(scope="session")
def ssh_bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sshd.SshBed]:
    """Fifty hosts on loopback addresses, one set of servers per test process."""
    if sshd.executable() is None:
        pytest.skip("needs openssh-server (sshd is not installed)")
    bed = sshd.SshBed(tmp_path_factory.mktemp("sshd"))
    try:
        bed.start()
        yield bed
    finally:
        bed.stop()


@pytest.fixture(scope="session")
def bench(ssh_bed: sshd.SshBed) -> Iterator[Bench]:
    """Make runs of ansible-playbook on the fifty hosts."""
    made = Bench(ssh_bed)
    yield made
    made.remove()


@pytest.fixture
def strangers() -> Iterator[Bench]:
    """Two hosts with a user whom sudo asks for a password."""
    with private_bench(lambda directory: stranger.StrangersBed(directory, 2), ("sudo", "unshare", "setpriv", "mount")) as (bench, bed):
        if bed.asks():
            pytest.skip(f"needs a sudo that asks: {bed.asks()}")
        yield bench


@pytest.fixture(scope="session")
def bundle_active(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Name the bundle of the installed release; fail where there is none though the release is supported.

    A run that falls back to plain Ansible would agree with plain Ansible in everything: it must not pass as green.
    """
    here = Path(sys.executable).parent
    home = tmp_path_factory.mktemp("home")
    env = {"PATH": os.environ.get("PATH", ""), "HOME": str(home), "LC_ALL": "C.UTF-8", "MITOPATCH": "on"}
    status = subprocess.run(
        [sys.executable, "-m", "mitopatch", "status"],
        cwd=home, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    version = subprocess.run(
        [str(here / "ansible"), "--version"],
        cwd=home, env={**env, "MITOPATCH": "off"}, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    found = re.search(r"\bcore (\d+\.\d+)", version.stdout)
    assert found, version.stdout + version.stderr
    series = found.group(1)
    if series not in SUPPORTED:
        pytest.skip(f"no bundle for ansible-core {series} (there is one for {', '.join(SUPPORTED)})")
    assert status.returncode == 0, status.stdout + status.stderr
    chosen = re.search(r"(?im)^\W*bundle\W+(.*)$", status.stdout)
    assert chosen is not None, status.stdout
    assert series in chosen.group(1), f"ansible-core {series} has no active bundle:\n{status.stdout}"
    return series
