"""A worker dies in the middle of a task: its host-tasks in flight are lost, everything else goes on."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from testbed import events
from testbed.moments import STRIKES, dice, workers
from testbed.runs import Bench, Run, Started

HOSTS = 6
TASKS = 7
# Without ssh's masters, which outlive a run as with plain Ansible.
CONFIG: dict[str, dict[str, Any]] = {"defaults": {"forks": HOSTS}, "ssh_connection": {"ssh_args": "-C"}}


@contextmanager
def started(bench: Bench, *args: str, **variables: Any) -> Iterator[tuple[Started, Path]]:
    """Start a run with two workers that write down their pids."""
    pidfile = bench.base / f"workers-{time.monotonic_ns()}"
    env = {"MITOPATCH_WORKERS": "2", "MITOPATCH_PIDFILE": str(pidfile)}
    run = bench.start(["lifecycle.yml", *args], "mitopatch", hosts=HOSTS, env=env, config=CONFIG, variables=variables)
    try:
        yield run, pidfile
    finally:
        run.clean_up()


def wait_owners(run: Started) -> dict[str, int]:
    """Return the worker of each host, as soon as all hosts have told theirs."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and run.process.poll() is None:
        owners = events.worker_pids(events.read(run.directory / "events"))
        if len(owners) == HOSTS:
            return {host: min(pids) for host, pids in owners.items()}
        time.sleep(0.01)
    raise AssertionError(f"not every host has a worker: {run.output()}")


def lost_hosts(run: Run) -> dict[str, str]:
    """Return the hosts reported unreachable, with the message."""
    found = {}
    for event in run.events:
        if event["event"] == "unreachable":
            found[event["host"]] = str(event["result"].get("msg"))
    return found


def assert_contained(run: Run, owners: dict[str, int], victim: int) -> dict[str, str]:
    """Only hosts of the victim are lost, and the reason is told; all others have done every task."""
    lost = lost_hosts(run)
    assert set(lost) <= {host for host, pid in owners.items() if pid == victim}
    assert all("SIGKILL" in message for message in lost.values()), lost
    summary = events.stats(run.events)
    assert summary, run.stdout + run.stderr
    for host in owners:
        if host in lost:
            assert summary[host]["unreachable"] == 1
            assert summary[host]["ok"] < TASKS
        else:
            assert (summary[host]["unreachable"], summary[host]["ok"]) == (0, TASKS), (host, summary)
    assert run.rc == (4 if lost else 0), run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr
    assert not run.leftovers
    return lost


@pytest.mark.parametrize("number", range(STRIKES))
def test_at_a_random_moment(bench: Bench, bundle_active: str, number: int) -> None:
    """Whenever the worker dies, no other worker's host is touched and the run comes to its end."""
    chance = dice("worker", number)
    with started(bench) as (run, pidfile):
        owners = wait_owners(run)
        time.sleep(chance.uniform(0, 1.5))  # part of the choice of the moment, nothing is waited for
        index, victim = chance.choice(sorted(workers(pidfile).items()))
        assert victim in owners.values()
        ended = run.process.poll() is not None
        if not ended:
            try:
                os.kill(victim, signal.SIGKILL)
            except ProcessLookupError:
                ended = True
        finished = run.finish()
    assert_contained(finished, owners, victim)
    assert not (ended and lost_hosts(finished)), f"worker {index} was not killed, and yet hosts were lost"


def test_all_in_flight(bench: Bench, bundle_active: str) -> None:
    """While every host is inside a command, exactly the hosts of the killed worker are lost; it is replaced.

    The second play forgives the lost hosts: they run again, in a worker that was not there before.
    """
    with started(bench, "--tags", "all,again", nap="3") as (run, pidfile):
        owners = wait_owners(run)
        deadline = time.monotonic() + 60
        while len(list((run.directory / "targets").iterdir())) < HOSTS and time.monotonic() < deadline:
            time.sleep(0.01)
        victim = owners["h01"]
        os.kill(victim, signal.SIGKILL)
        finished = run.finish()
        now = workers(pidfile)
    mine = {host for host, pid in owners.items() if pid == victim}
    assert set(lost_hosts(finished)) == mine
    assert victim not in now.values(), now
    summary = events.stats(finished.events)
    # Plain 2.11 to 2.13 too: hosts without errors miss the first task after clear_host_errors has forgiven others.
    missed = 1 if bundle_active in ("2.11", "2.12", "2.13") else 0
    assert all(summary[host]["ok"] == (3 if host in mine else TASKS + 2 - missed) for host in owners), summary
    later = events.worker_pids(finished.events)
    assert all(later[host] == {pid} for host, pid in owners.items() if pid != victim), "the others stay where they are"
    assert all(len(later[host]) == 2 and later[host] - {victim} <= set(now.values()) for host in mine), later
