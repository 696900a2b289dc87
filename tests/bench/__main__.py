"""Compare plain ansible-core, ansible_mitogen's mitogen_linear and mitopatch on the same playbooks.

python -m tests.bench                     both workloads, 10 rounds, with the ansible-core of this interpreter
python -m tests.bench facts --rounds 3    one of them, shorter

The arms take turns (A B C, A B C, ...), so that whatever else the machine does meets all of them. A time counts only
if the run's result is right: exit code 0 and every host-task ok. Raw figures go to tests/bench/results/.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from testbed import events
from testbed.runs import Bench
from testbed.sshd import SshBed

HERE = Path(__file__).parent
HOSTS = 100
FORKS = 20
TASKS = 10
FIGURES = ("cpu", "cpu_without_ssh", "wall")
ARMS = ("plain", "mitogen_linear", "mitopatch")
WORKLOADS: dict[str, tuple[str, dict[str, Any]]] = {
    "facts": ("bench_facts.yml", {"ansible_connection": "local"}),
    "commands": ("bench_commands.yml", {}),
}


def config(arm: str) -> dict[str, dict[str, Any]]:
    """Return what this arm puts into ansible.cfg; plain Ansible already has pipelining and ControlPersist."""
    defaults: dict[str, Any] = {"forks": FORKS}
    if arm == "mitogen_linear":
        found = importlib.metadata.distribution("mitogen").locate_file("ansible_mitogen/plugins/strategy")
        defaults.update(strategy_plugins=found, strategy="mitogen_linear")
    return {"defaults": defaults}


def one_run(bench: Bench, workload: str, arm: str) -> dict[str, Any]:
    """Run one arm once; return its figures and whether every host-task was ok."""
    playbook, variables = WORKLOADS[workload]
    measured = bench.base / "measured.json"
    measured.unlink(missing_ok=True)
    run = bench.run(
        [playbook],
        "mitopatch" if arm == "mitopatch" else "plain",
        hosts=HOSTS,
        config=config(arm),
        variables=variables,
        prefix=[sys.executable, str(HERE / "meter.py"), str(measured)],
        timeout=900,
    )
    ok = sum(1 for event in run.events if event["event"] == "ok")
    good = run.rc == 0 and ok == HOSTS * TASKS and measured.exists()
    figures: dict[str, Any] = json.loads(measured.read_text()) if measured.exists() else {}
    figures.update(arm=arm, rc=run.rc, ok=ok, good=good, forks=events.forks(run.events))
    if figures.get("user") is not None:
        figures["cpu"] = figures["user"] + figures["system"]
        figures["cpu_without_ssh"] = figures["cpu"] - figures["ssh"]
    if not good:
        figures["stderr"] = run.stderr[-1000:]
    return figures


def spread(values: list[float]) -> dict[str, float]:
    """Return median and quartiles."""
    if len(values) < 2:
        return {"median": values[0], "q1": values[0], "q3": values[0]}
    q1, median, q3 = statistics.quantiles(values, n=4, method="inclusive")
    return {"median": median, "q1": q1, "q3": q3}


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return per arm the successes, CPU and wall seconds, and the ratios between the medians."""
    arms: dict[str, Any] = {}
    for arm in dict.fromkeys(run["arm"] for run in runs):
        mine = [run for run in runs if run["arm"] == arm]
        good = [run for run in mine if run["good"]]
        arms[arm] = {"good": len(good), "of": len(mine)}
        if good:
            arms[arm].update({what: spread([run[what] for run in good]) for what in FIGURES})
    ratios = {}
    ours = arms.get("mitopatch", {})
    for arm, figures in arms.items():
        if arm != "mitopatch" and "cpu" in figures and "cpu" in ours:
            ratios[arm] = {what: figures[what]["median"] / ours[what]["median"] for what in FIGURES}
    return {"arms": arms, "ratios": ratios}


def machine() -> dict[str, Any]:
    """Return where and with what this was measured."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"],
        cwd=HERE, capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    versions = {}
    for name in ("ansible-core", "mitogen", "mitopatch", "jinja2", "wrapt"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    model = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "versions": {**versions, "python": platform.python_version()},
        "machine": {"cpu": model[0].split(":")[1].strip() if model else platform.machine(), "cores": os.cpu_count()},
        "kernel": platform.release(),
        "load_before": os.getloadavg(),
        "commit": commit.stdout.strip() or "unknown",
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }


def report(workload: str, found: dict[str, Any]) -> None:
    """Print one workload: a line for each arm, then the ratios."""
    print(f"\n{workload}: {HOSTS} hosts x {TASKS} tasks, forks={FORKS}")
    for arm, figures in found["arms"].items():
        line = f"  {arm:<15} {figures['good']} of {figures['of']} runs right"
        for what in FIGURES:
            if what in figures:
                f = figures[what]
                line += f"   {what} {f['median']:6.2f} s ({f['q1']:.2f}-{f['q3']:.2f})"
        print(line)
    for arm, ratio in found["ratios"].items():
        print(f"  {arm} : mitopatch = " + ", ".join(f"{ratio[what]:.2f} ({what})" for what in FIGURES))


def main() -> int:
    """Run what is asked for; 0 only if every run of every arm was right."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("workloads", nargs="*", help=f"of {', '.join(WORKLOADS)} (default: all)")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--arms", default=",".join(ARMS), help="comma-separated (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=HERE / "results")
    options = parser.parse_args()
    chosen = options.workloads or list(WORKLOADS)
    unknown = set(chosen) - set(WORKLOADS)
    if unknown:
        parser.error(f"unknown workload: {', '.join(sorted(unknown))}")
    about = machine()
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="bench_sshd_") as directory:
        bed = SshBed(Path(directory), HOSTS)
        bench = Bench(bed)
        try:
            bed.start()
            for workload in chosen:
                runs = []
                for number in range(options.rounds):
                    for arm in options.arms.split(","):
                        runs.append({"round": number, **one_run(bench, workload, arm)})
                        print(f"{workload} {runs[-1]}", file=sys.stderr, flush=True)
                results[workload] = {**summary(runs), "runs": runs}
                report(workload, results[workload])
        finally:
            bed.stop()
            bench.remove()
    core = about["versions"]["ansible-core"]
    options.output.mkdir(parents=True, exist_ok=True)
    name = options.output / f"{about['date'][:19].replace(':', '')}-core{core}.json"
    settings = {"hosts": HOSTS, "tasks": TASKS, "forks": FORKS, "rounds": options.rounds}
    name.write_text(json.dumps({**about, "settings": settings, "results": results}, indent=1) + "\n")
    print(f"\n{name}")
    return 0 if all(run["good"] for found in results.values() for run in found["runs"]) else 1


if __name__ == "__main__":
    sys.exit(main())
