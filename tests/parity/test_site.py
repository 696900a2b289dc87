"""The same playbooks plain and through mitopatch, over real ssh: events, statistics, outputs, files must agree."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import Any

import pytest
from testbed import events
from testbed.compare import assert_same
from testbed.runs import PLAYBOOKS, Arm, Bench, Run

VAULT = ["--vault-password-file", str(PLAYBOOKS / "vault.pass")]
# Four hosts: two web servers, two databases; h03 leaves the play early.
FEW = 4


@dataclass
class Scenario:
    """One way to run one playbook; `rc` guards against two runs that agree because both stop at once."""

    playbook: str
    args: list[str] = field(default_factory=list)
    rc: tuple[int, ...] = (0,)
    hosts: int = 6
    forks: int = 6
    defaults: dict[str, Any] = field(default_factory=dict)

    def run(self, bench: Bench, arm: Arm, **variables: Any) -> Run:
        """Run it in this arm."""
        return bench.run(
            [self.playbook, *self.args, *VAULT],
            arm,
            hosts=self.hosts,
            config={"defaults": {"forks": self.forks, **self.defaults}},
            variables=variables,
        )

    def compare(self, bench: Bench, **variables: Any) -> tuple[Run, Run]:
        """Run it in both arms and fail where they differ."""
        plain = self.run(bench, "plain", **variables)
        assert plain.rc in self.rc, plain.stdout + plain.stderr
        patched = self.run(bench, "mitopatch", **variables)
        assert_same(plain, patched)
        return plain, patched


SCENARIOS = {
    "site": Scenario("site.yml", hosts=FEW),
    "site-tags": Scenario("site.yml", ["--tags", "blocks,steps,web"], hosts=FEW, forks=2),
    "site-skip-check-diff": Scenario("site.yml", ["--skip-tags", "blocks,steps", "--check", "--diff"], hosts=FEW),
    "site-limit-forks-1": Scenario("site.yml", ["--limit", "h01,h04", "--tags", "conf,web"], hosts=FEW, forks=1),
    "dynamic": Scenario("dynamic.yml"),
    "strategies": Scenario("strategies.yml", rc=(2,)),
    "strategy-of-config": Scenario("alone.yml", rc=(2,), hosts=15, defaults={"strategy": "free"}),
    "alias-of-config": Scenario("alone.yml", rc=(2,), hosts=5, defaults={"strategy": "mitopatch_free"}),
    "async": Scenario("asynchronous.yml", hosts=FEW),
    "unreachable": Scenario("failures.yml", ["--tags", "unreachable"], rc=(2, 4)),
    "max-fail-percentage": Scenario("failures.yml", ["--tags", "maximum"], rc=(2,)),
    "any-errors-fatal": Scenario("failures.yml", ["--tags", "fatal"], rc=(2,)),
    "all-fail": Scenario("failures.yml", ["--tags", "everybody"], rc=(2,)),
    "handlers-fail": Scenario("failures.yml", ["--tags", "handlers"], rc=(2,)),
    "language": Scenario("failures.yml", ["--tags", "language"], rc=(2,), hosts=2),
    "many": Scenario("many.yml", rc=(2,), hosts=50, forks=20),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_agrees(bench: Bench, bundle_active: str, name: str) -> None:
    """Each scenario gives the same plain and patched."""
    runs = SCENARIOS[name].compare(bench)
    if name == "async":  # the comparison leaves them out; one of its jobs lasts longer than it takes until the first
        for run in runs:
            assert len({event["host"] for event in run.events if event["event"] == "async_poll"}) == SCENARIOS[name].hosts


def test_diff_mode(bench: Bench, bundle_active: str) -> None:
    """A second run over the files of a first shows the same differences: the playbook changes what it finds."""
    Scenario("site.yml", ["--diff", "--tags", "conf,web"], hosts=2).compare(bench, listen="81", base_mode="0640")


def test_fact_cache(bench: Bench, bundle_active: str) -> None:
    """A cache on disk has the same content after both, written once for each host."""
    cache = {"fact_caching": "jsonfile", "fact_caching_connection": "facts"}
    plain, _ = Scenario("site.yml", ["--tags", "never-used"], hosts=2, defaults=cache).compare(bench)
    assert plain.rc == 0
    plain, _ = Scenario("dynamic.yml", hosts=FEW, defaults=cache).compare(bench)
    assert sorted(path.name for path in (plain.directory / "facts").iterdir())


def test_become(bench: Bench, bundle_active: str) -> None:
    """Root becomes an ordinary user, an ordinary user becomes root, by sudo."""
    if shutil.which("sudo") is None:
        pytest.skip("needs sudo (not installed)")
    other = "nobody" if os.geteuid() == 0 else "root"
    pwd.getpwnam(other)
    allowed = subprocess.run(["sudo", "-n", "-u", other, "true"], capture_output=True, timeout=20, check=False)
    if allowed.returncode:
        pytest.skip(f"needs sudo to {other} without a password")
    Scenario("become.yml", hosts=3).compare(bench, other_user=other)


def test_workers_do_the_work(bench: Bench, bundle_active: str) -> None:
    """Few processes run all host-tasks, each host stays with one, and the top process forks for nothing else."""
    workers = 2
    run = bench.run(["many.yml"], "mitopatch", hosts=50, env={"MITOPATCH_WORKERS": str(workers)})
    assert run.rc == 2, run.stdout + run.stderr
    pids = events.worker_pids(run.events)
    assert len(pids) == 50
    assert all(len(of_host) == 1 for of_host in pids.values()), pids
    used = set().union(*pids.values())
    top = next(event["pid"] for event in run.events if event["event"] == "stats")
    assert len(used) == workers
    assert top not in used
    # One fork for each worker, and a few for helpers that are started once; far from one for each host-task.
    assert events.host_tasks(run.events) > 300
    assert events.forks(run.events) <= workers + 2


def test_plain_agrees_with_itself(bench: Bench) -> None:
    """Two plain runs agree: the list of what may differ is complete, and a difference elsewhere means something."""
    scenario = Scenario("dynamic.yml", hosts=3)
    assert_same(scenario.run(bench, "plain"), scenario.run(bench, "plain"))
