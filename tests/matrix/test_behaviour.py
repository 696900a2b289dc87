"""One playbook, plain and patched, on this machine and over ssh: what every release of the matrix must do alike.

tests/parity compares far more, on the newest release of each series; this is what can be afforded 158 times.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from testbed import events, sshd
from testbed.compare import assert_same
from testbed.runs import PLAYBOOKS, Arm, Bench, Run

REMOTE, NEAR, WORKERS = 2, 1, 2
ARGUMENTS = ["matrix.yml", "--diff", "--skip-tags", "not_wanted", "--vault-password-file", str(PLAYBOOKS / "vault.pass")]


def other_user() -> str:
    """Whom sudo lets us become without a password, or nothing."""
    name = "nobody" if os.geteuid() == 0 else "root"
    if shutil.which("sudo") is None:
        return ""
    allowed = subprocess.run(["sudo", "-n", "-u", name, "true"], capture_output=True, timeout=20, check=False)
    return "" if allowed.returncode else name


# One test and not one for each question: both runs are made once, also where tests are spread over processes.
def test_plain_and_patched_agree(tmp_path: Path) -> None:
    """The same events, outputs and files; and it was the patches that made the second run."""
    bed = sshd.SshBed(tmp_path, REMOTE)
    remote = 0 if sshd.executable() is None else REMOTE
    user = other_user()
    bench = Bench(bed)

    def run(arm: Arm) -> Run:
        env = {"MITOPATCH_WORKERS": str(WORKERS)}
        return bench.run(ARGUMENTS, arm, hosts=remote, near=NEAR, env=env, variables={"other_user": user})

    try:
        if remote:
            bed.start()
        plain, patched = run("plain"), run("mitopatch")
        assert_came_to_its_end(plain, remote, user)
        assert_same(plain, patched)
        assert_workers_did_the_work(plain, patched)
    finally:
        bed.stop()
        bench.remove()


def assert_came_to_its_end(plain: Run, remote: int, user: str) -> None:
    """Two runs that break off at the same place would agree as well."""
    assert plain.rc == 2, plain.stdout + plain.stderr
    stats = events.stats(plain.events)
    # Up to 2.13 a host whose unreachable delegate is ignored counts as unreachable itself, so that is not asked here.
    assert {host for host, of_host in stats.items() if of_host["failures"]} == {"born"}, plain.stdout
    hosts = {f"h{number:02d}" for number in range(1, remote + 1)} | {f"n{number:02d}" for number in range(1, NEAR + 1)}
    assert set(stats) >= hosts
    for host in hosts:
        assert f"told {host}" in plain.stdout
    became = [event for event in plain.events if event["event"] == "ok" and event["task"] == "Another user"]
    assert {event["result"]["stdout"] for event in became} == ({user} if user else set())


def assert_workers_did_the_work(plain: Run, patched: Run) -> None:
    """Few processes ran all host-tasks where the plain run had one for each."""
    top = next(event["pid"] for event in patched.events if event["event"] == "stats")
    used = set().union(*events.worker_pids(patched.events).values())
    assert top not in used
    assert 1 <= len(used) <= WORKERS
    assert len(set().union(*events.worker_pids(plain.events).values())) > WORKERS
    assert events.forks(patched.events) < events.forks(plain.events) // 3


def test_ssh_took_part() -> None:
    if sshd.executable() is None:
        pytest.skip("needs openssh-server (sshd is not installed): only this machine itself took part")


def test_sudo_took_part() -> None:
    if not other_user():
        pytest.skip("needs sudo without a password: nobody became another user")
