"""Compare plain ansible-core, ansible_mitogen's mitogen_linear and mitopatch on the same playbooks.

python -m tests.bench                     every workload, with the ansible-core of this interpreter; takes hours
python -m tests.bench facts --rounds 3    one of them, shorter
python -m tests.bench --list              what there is
python -m tests.bench --page              write docs/performance.* anew from what was measured

The arms take turns (A B C, A B C, ...), so that whatever else the machine does meets all of them. A time counts only if the run's
result is right: exit code 0, every host-task ok, and the same events as the other arms. Raw figures go to tests/bench/results/.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from . import figures, report
from .measure import prepared
from .workload import ARMS, Workload
from .workloads import WORKLOADS

ROUNDS = 10


def machine() -> dict[str, Any]:
    """Return where and with what this was measured."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"],
        cwd=Path(__file__).parent, capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    versions = {}
    for name in ("ansible-core", "mitogen", "mitopatch", "jinja2"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    model = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "versions": {**versions, "python": platform.python_version()},
        "machine": {"cpu": model[0].split(":")[1].strip() if model else platform.machine(), "cores": os.cpu_count()},
        "kernel": platform.release(),
        "commit": commit.stdout.strip() or "unknown",
        "environment": {name: value for name, value in sorted(os.environ.items()) if name.startswith("MITOPATCH_")},
    }


def measure(name: str, workload: Workload, options: argparse.Namespace) -> dict[str, Any]:
    """Run all rounds of one workload."""
    sizes = workload.sizes
    found: dict[str, Any] = {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "load_before": [round(load, 2) for load in os.getloadavg()],
        "runs": [],
    }
    with prepared(workload, sizes) as runner:
        for arm in options.arms:  # byte code, caches of the file system: nobody should be first
            runner.run(replace(sizes[0].tiny(), name="not counted"), arm)
        for number in range(options.rounds):
            for size in sizes:
                for arm in ARMS:
                    if arm in options.arms and arm in size.arms:
                        run = {"round": number, **runner.run(size, arm)}
                        found["runs"].append(run)
                        shown = {key: run.get(key) for key in ("cpu", "wall", "pss", "processes")}
                        print(f"{name} {number} {size.name} {arm} {shown} {run.get('why', '')}", file=sys.stderr, flush=True)
    return found


def say(name: str, workload: Workload, runs: list[dict[str, Any]]) -> None:
    """Print the figures of one workload."""
    print(f"\n{name}: {workload.about}")
    for figure in workload.figures:
        arms = figures.table(workload, runs)[figure.name]
        shown = [f"{arm} {found['median']:.4g} ({found['q1']:.4g}-{found['q3']:.4g})" for arm, found in arms.items() if found]
        times = [f"{arm} : mitopatch = {ratio:.2f}" for arm, ratio in figures.ratios(figure, arms).items()]
        goals = [f"{goal.text(figure.unit)}: {'yes' if met else 'NO'}" for goal, _value, met in figures.judged(figure, arms)]
        print(f"  {figure.name} [{figure.unit}]: {'; '.join([*shown, *times, *goals]) or 'no right runs'}", flush=True)


def main() -> int:
    """Run what is asked for; 0 only if every run of every arm was right."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("workloads", nargs="*", help=f"of {', '.join(WORKLOADS)} (default: all)")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--arms", default=",".join(ARMS), help="comma-separated (default: %(default)s)")
    parser.add_argument("--tiny", action="store_true", help="a few hosts and items, to try the machinery; nothing is recorded")
    parser.add_argument("--output", type=Path, default=report.RESULTS, help="directory of the raw figures (default: %(default)s)")
    parser.add_argument("--page", action="store_true", help="measure nothing, write docs/performance.* from the raw figures")
    parser.add_argument("--list", action="store_true", help="list the workloads")
    options = parser.parse_args()
    if options.list:
        print("\n".join(f"{name:<17} {workload.about}" for name, workload in WORKLOADS.items()))
        return 0
    if options.page:
        report.write()
        return 0
    options.arms = options.arms.split(",")
    unknown = sorted(set(options.workloads) - set(WORKLOADS)) + sorted(set(options.arms) - set(ARMS))
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}")
    about, results = machine(), {}
    core = about["versions"]["ansible-core"]
    began = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H%M%S")
    for name in options.workloads or WORKLOADS:
        workload = WORKLOADS[name]
        if options.tiny:
            workload = replace(workload, sizes=tuple(size.tiny() for size in workload.sizes))
        results[name] = measure(name, workload, options)
        say(name, workload, results[name]["runs"])
        if not options.tiny:
            # After each one: what takes hours may be interrupted.
            options.output.mkdir(parents=True, exist_ok=True)
            path = options.output / f"{began}-core{core}-{next(iter(results))}.json"
            record = {**about, "rounds": options.rounds, "results": results}
            path.write_text(json.dumps(record, indent=1) + "\n")
            if options.output == report.RESULTS:
                report.write()
    return 0 if all(run["good"] for found in results.values() for run in found["runs"]) else 1


if __name__ == "__main__":
    sys.exit(main())
