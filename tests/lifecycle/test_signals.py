"""Signals to the top process at random moments: it ends as plain Ansible does, and leaves nothing behind."""

from __future__ import annotations

import random
import signal
import time

import psutil
import pytest
from testbed import events, processes
from testbed.moments import GONE_WITHIN, STRIKES, Struck, dice, strike, wait_events
from testbed.runs import Arm, Bench

HOSTS = 3
# How many events the playbook gives at least before its last tasks: a moment is chosen among these.
EVENTS = 36
# ssh's masters outlive a run, as with plain Ansible (the last test): without them nothing does.
NO_MASTER = {"ssh_connection": {"ssh_args": "-C"}}


def struck(bench: Bench, arm: Arm, signum: signal.Signals, chance: random.Random) -> Struck:
    """Start a run, let it come to a random moment, send the signal; another one if that run was already at its end."""
    for _ in range(4):
        run = bench.start(["lifecycle.yml"], arm, hosts=HOSTS, config=NO_MASTER)
        try:
            wait_events(run, chance.randint(3, EVENTS))
            time.sleep(chance.uniform(0, 0.2))  # part of the choice of the moment, nothing is waited for
            found = strike(run, bench.bed, signum)
        finally:
            run.clean_up()
        if not found.late:
            return found
    raise AssertionError(f"four runs were at their end when the signal came\n{found}")


@pytest.fixture(scope="module")
def plain_int(bench: Bench) -> Struck:
    """What plain Ansible of this release does on SIGINT.

    Now and then it swallows the interrupt (it arrives in a hook after a fork, where Python ignores exceptions) and goes
    on to the end, or a fork that has only just begun prints where it was; that is no measure, so another run is made.
    """
    for number in range(6):
        found = struck(bench, "plain", signal.SIGINT, dice("plain-int", number))
        if found.run.rc != 0 and "Traceback" not in found.run.stderr:
            return found
    raise AssertionError("plain Ansible has ended by SIGINT in none of six runs, or with tracebacks")


@pytest.fixture(scope="module")
def plain_term(bench: Bench) -> Struck:
    """What plain Ansible of this release does on SIGTERM."""
    return struck(bench, "plain", signal.SIGTERM, dice("plain-term", 0))


def assert_like(found: Struck, plain: Struck) -> None:
    """Same exit code and last words as plain; no process, socket or temporary file is left."""
    assert found.run.rc == plain.run.rc, found.run.stdout + found.run.stderr
    assert found.run.stderr.split("\n") == plain.run.stderr.split("\n")
    assert events.stats(found.run.events) is events.stats(plain.run.events) is None
    assert found.seconds < 5
    assert not found.left, "left behind:\n" + "\n".join(found.left)
    # A worker removes what the killed top process could not; before the first worker there is nobody to do it.
    begun = any(event["event"] == "ok" for event in found.run.events)
    assert not found.files or not begun


@pytest.mark.parametrize("number", range(STRIKES))
def test_sigint(bench: Bench, bundle_active: str, plain_int: Struck, number: int) -> None:
    """SIGINT: the exit code and the one line of plain Ansible, then nothing is left."""
    assert_like(struck(bench, "mitopatch", signal.SIGINT, dice("int", number)), plain_int)


@pytest.mark.parametrize("number", range(STRIKES))
def test_sigterm(bench: Bench, bundle_active: str, plain_term: Struck, number: int) -> None:
    """SIGTERM: ends as plain Ansible does, but without the temporary files that plain Ansible leaves."""
    assert_like(struck(bench, "mitopatch", signal.SIGTERM, dice("term", number)), plain_term)


@pytest.mark.parametrize("number", range(STRIKES))
def test_sigkill(bench: Bench, bundle_active: str, number: int) -> None:
    """SIGKILL of the top process: workers, ssh and remote interpreters notice and end by themselves."""
    found = struck(bench, "mitopatch", signal.SIGKILL, dice("kill", number))
    assert found.run.rc == -signal.SIGKILL
    assert not found.left, "left behind:\n" + "\n".join(found.left)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda signum: signum.name)
def test_what_tasks_have_started(bench: Bench, bundle_active: str, signum: signal.Signals) -> None:
    """The pipe of a lookup and the command of a local connection go with their worker."""
    run = bench.start(["hanging.yml"], "mitopatch", hosts=1, near=2, config=NO_MASTER)
    try:
        deadline = time.monotonic() + 60
        log = run.directory / "targets" / "started"
        while (not log.exists() or len(log.read_text().split()) < 2) and time.monotonic() < deadline and run.process.poll() is None:
            time.sleep(0.01)
        begun = [psutil.Process(int(pid)) for pid in log.read_text().split()]
        assert len(begun) == 2
        found = strike(run, bench.bed, signum)
        left = processes.describe(processes.wait_gone(begun, GONE_WITHIN))
    finally:
        run.clean_up()
    assert not left
    assert not found.left, "left behind:\n" + "\n".join(found.left)
    assert found.seconds < 5


@pytest.mark.parametrize("arm", ["plain", "mitopatch"])
def test_the_watch_sees_leftovers(bench: Bench, request: pytest.FixtureRequest, arm: Arm) -> None:
    """Plain Ansible leaves ssh masters and files when it is killed: a watch that sees nothing there sees nothing.

    Masters are for the next run; mitopatch leaves nothing else, and no interpreter on a host.
    """
    if arm == "mitopatch":
        request.getfixturevalue("bundle_active")
    run = bench.start(["lifecycle.yml"], arm, hosts=1)
    try:
        # The connection stands by the time a command over ssh has its result.
        deadline = time.monotonic() + 60
        while not (run.directory / "targets" / "h01").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        found = strike(run, bench.bed, signal.SIGKILL)
    finally:
        run.clean_up()
    assert any("ssh:" in line for line in found.left), found
    assert any("sshd" in line for line in found.left), found
    assert found.files
    if arm == "mitopatch":
        assert all("[mux]" in line or "sshd" in line for line in found.left), "\n".join(found.left)
        assert all(name.startswith("cp/") for name in found.files), found.files
