"""Fixtures of the real-input tests: servers to connect to, runs to compare, the bundle that should be active."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from testbed import sshd  # noqa: E402
from testbed.runs import Bench  # noqa: E402


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
