"""One run of one arm: below meter.py, and compared with what another arm did with the same playbook."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from testbed import compare, events
from testbed.delay import Delay
from testbed.runs import Arm, Bench, Run
from testbed.sshd import SshBed

from .workload import MITOGEN, MITOPATCH, Size, Workload

METER = Path(__file__).parent / "meter.py"
TIMEOUT = 3600.0
# Kept of a difference between two arms.
LINES = 40


def config(arm: str, size: Size) -> dict[str, dict[str, Any]]:
    """Return what this arm puts into ansible.cfg; plain Ansible already has pipelining and ControlPersist."""
    defaults: dict[str, Any] = {"forks": size.forks, "bin_ansible_callbacks": True}
    if arm == MITOGEN:
        found = importlib.metadata.distribution("mitogen").locate_file("ansible_mitogen/plugins/strategy")
        defaults.update(strategy_plugins=found, strategy="mitogen_linear")
    return {"defaults": defaults}


class Runner:
    """Runs one workload; keeps the first right run of each size to compare the others with."""

    def __init__(self, bench: Bench, workload: Workload, variables: dict[str, Any]) -> None:
        self.bench = bench
        self.workload = workload
        self.variables = variables
        self.contents: dict[str, list[str]] = {}
        self.first: dict[str, tuple[str, Run]] = {}

    def run(self, size: Size, arm: str) -> dict[str, Any]:
        """Run one arm once; return its figures and whether its result is right."""
        if size.name not in self.contents:
            directory = Path(tempfile.mkdtemp(prefix="content_", dir=self.bench.base))
            directory.chmod(0o755)
            self.contents[size.name] = self.workload.write(directory, size)
        report = self.bench.base / "measured.json"
        report.unlink(missing_ok=True)
        ours = arm == MITOPATCH
        base: Arm = "mitopatch" if ours else "plain"
        run = self.bench.run(
            self.contents[size.name],
            base,
            hosts=size.hosts,
            config=config(arm, size),
            variables=self.variables,
            # No bundle: the run would be plain, and right. Every run has a home of its own; a user's cache is there after the first one.
            env={**size.env, **({"MITOPATCH_UNKNOWN": "error", "MITOPATCH_CACHE": str(self.bench.base / "cache")} if ours else {})},
            program=self.workload.program,
            prefix=[sys.executable, str(METER), str(report), str(self.workload.memory)],
            timeout=TIMEOUT,
        )
        figures: dict[str, Any] = json.loads(report.read_text()) if report.exists() else {}
        why = self._wrong(size, arm, run) if figures else "the meter has not reported"
        figures = {name: round(value, 4) for name, value in figures.items()}
        figures.update(size=size.name, arm=arm, rc=run.rc, good=not why, forks=events.forks(run.events))
        if "user" in figures:
            figures["cpu"] = round(figures["user"] + figures["system"], 4)
            figures["cpu_without_ssh"] = round(figures["cpu"] - figures["ssh"], 4)
        if why:
            figures["why"] = why
        if size.name not in self.first or self.first[size.name][1] is not run:
            shutil.rmtree(run.directory, ignore_errors=True)
        return figures

    def _wrong(self, size: Size, arm: str, run: Run) -> str:
        """Say what is not right, or that it differs from the first right run of this size."""
        oks = sum(event["event"] in ("ok", "item_ok") for event in run.events)
        if run.rc or oks != self.workload.oks(size):
            return f"exit code {run.rc}, {oks} of {self.workload.oks(size)} ok\n{run.stdout[-500:]}\n{run.stderr[-1500:]}"
        if size.name not in self.first:
            self.first[size.name] = (arm, run)
            return ""
        other, first = self.first[size.name]
        found = log_difference(first, run) if MITOGEN in (arm, other) else compare.difference(first, run)
        return "\n".join([f"differs from {other}", *found.splitlines()[:LINES]]) if found else ""


def log_difference(left: Run, right: Run) -> str:
    """Compare exit codes, order of tasks, every host's events and statistics; the strategy has another name, and warns of itself."""
    sides = []
    for run in (left, right):
        log = [{**event, "strategy": "linear"} if event.get("strategy") == MITOGEN else event for event in run.events]
        cleaned = events.cleaned(log, run.paths)
        sides.append({"order": events.sequence(cleaned), "hosts": events.by_host(cleaned), "stats": events.stats(cleaned)})
    if sides[0] == sides[1]:
        return ""
    return "".join(compare.part(what, sides[0][what], sides[1][what]) for what in sides[0])


@contextlib.contextmanager
def prepared(workload: Workload, sizes: tuple[Size, ...]) -> Iterator[Runner]:
    """Start the servers that the workload needs, and end them."""
    hosts = max(size.hosts for size in sizes)
    variables: dict[str, Any] = dict(workload.variables)
    with tempfile.TemporaryDirectory(prefix="bench_sshd_") as directory, contextlib.ExitStack() as stack:
        bed = SshBed(Path(directory), hosts)
        stack.callback(bed.stop)
        if workload.connection == "ssh":
            bed.start()
        else:
            # Nothing is started: the hosts are names, as many as there are.
            bed.addresses = ["127.0.0.1"] * hosts
            variables["ansible_connection"] = "local"
        if workload.delay:
            proxy = Delay((bed.addresses[0], bed.port), workload.delay / 2, bed.addresses[0])
            proxy.start()
            stack.callback(proxy.stop)
            bed.vouch_for(proxy.port)
            variables["ansible_port"] = proxy.port
        bench = Bench(bed)
        stack.callback(bench.remove)
        yield Runner(bench, workload, variables)
