"""[maintenance] Writes docs/real-content.json, a record for each role set, release and step, and docs/real-content.md from it."""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import statistics
from typing import Any, Optional

from maintenance.realcontent.arms import MITOGEN, PAIR, ROOT, Step
from maintenance.realcontent.base import SUITE
from maintenance.realcontent.contents import CONTENTS, Content
from maintenance.realcontent.differences import cpu, summary

from testbed import events  # isort: skip  # found through arms

JSON = ROOT / "docs/real-content.json"
PAGE = ROOT / "docs/real-content.md"
HEAD = """\
# Real content

Written by `nox -s real`, not by hand; what does not stand below was not run. Public role sets from PyPI run on fresh Debian
chroots, each with its own sshd, once plain and once through mitopatch, from the same state. Compared: exit code, every host's
events with their results, the order of tasks, statistics, output, warnings, and every file of the targets (type, mode, owner,
content) and of the project on the controller. What is left out of the comparison stands with its reason in
tests/testbed/events.py and in maintenance/realcontent/. Times are one run each, on a machine that did other things too; CPU is
that of the controller's processes. Modes in rows one below the other with one date are runs on the same targets, one after the
other.
"""
BENCH = """\
### As a benchmark

Written by `nox -s real -- NAME --bench 1,4,16`. The playbook ran for real on one target, and clones of it are what is measured
on: packages are there, and a run is Ansible's own work. The arms take turns, with 20 forks; mitopatch finds its cache filled,
as a second run does. The targets are on the same cores as the controller, and what their modules need is in the wall time of
every arm; CPU is that of the controller's processes, ssh clients included, and in the second rate without them. Figures are
medians of all runs, ratios medians of the rounds that both arms were in. Differences are from the first run of plain with as many
hosts; mitogen_linear is measured, and not asked to agree.
"""
#: Of this approach: time on one node, against plain. And that the rate of tasks per core is the same, whatever the number of nodes.
PUBLISHED = -0.6
PLAIN, MITOPATCH = PAIR
ARMS = (PLAIN, MITOGEN, MITOPATCH)
BENCH_COLUMNS = (
    "ansible-core", "mode", "hosts", "arm", "runs", "exit code", "differences", "host-tasks", "wall, s", "CPU, s",
    "host-tasks per CPU s", "without ssh", "wall : mitopatch", "CPU : mitopatch",
)  # fmt: skip
#: Lines of a difference that are kept; the whole of it stays in .cache/realcontent/work.
DETAILS = 40
COLUMNS = (
    "date", "versions", "hosts", "mode", "tasks, host-tasks, events", "exit code", "differences",
    "wall plain, mitopatch", "CPU plain, mitopatch",
)  # fmt: skip


def versions(content: Content) -> dict[str, str]:
    """Return the versions that matter."""
    names = ("ansible-core", "ansible", "mitogen", "mitopatch", "jinja2", *content.versions)
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def record(pair: tuple[Step, Step, str]) -> dict[str, Any]:
    """Return the figures of one step."""
    plain, patched, text = pair
    log = plain.run.events
    tasks = {(event["task"], event["path"]) for event in log if event["event"] in ("task_start", "handler_start")}
    return {
        "rc": plain.run.rc,
        "tasks": len(tasks),
        "host_tasks": events.host_tasks(log),
        "events": len(log),
        "stats": events.stats(log),
        "differences": summary(text),
        "details": text.splitlines()[:DETAILS],
        "forks": {"plain": events.forks(plain.run.events), "mitopatch": events.forks(patched.run.events)},
        "wall": {"plain": round(plain.measured["wall"], 1), "mitopatch": round(patched.measured["wall"], 1)},
        "cpu": {"plain": round(cpu(plain.measured), 1), "mitopatch": round(cpu(patched.measured), 1)},
    }


def add(options: argparse.Namespace, content: Content, pairs: list[tuple[Step, Step, str]]) -> None:
    """Put these steps into the JSON in the place of older ones of the same name, and write the page anew."""
    known: dict[str, Any] = json.loads(JSON.read_text()) if JSON.exists() else {}
    found = versions(content)
    series = ".".join(found["ansible-core"].split(".")[:2])
    name = " ".join([options.content, series, f"{options.hosts} hosts", ",".join(options.steps), *options.more])
    known[name] = {
        "content": options.content,
        "series": series,
        "hosts": options.hosts,
        "arguments": options.more,
        "date": _today(),
        "versions": found,
        "machine": _machine(),
        "steps": [{"mode": mode, **record(pair)} for mode, pair in zip(options.steps, pairs)],
    }
    known = dict(sorted((key, entry) for key, entry in known.items() if key == name or not _in(entry, known[name])))
    JSON.write_text(json.dumps(known, indent=1) + "\n")
    write()


def _today() -> str:
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")


def _machine() -> dict[str, Any]:
    return {"cores": os.cpu_count(), "kernel": platform.release(), "targets": f"Debian {SUITE}"}


def run_of(hosts: int, arm: str, mode: str, turn: str, step: Step, text: Optional[str]) -> dict[str, Any]:
    """Return the figures of one run of the benchmark; `text` is its difference from plain, None if there is none to compare with."""
    return {
        "hosts": hosts,
        "arm": arm,
        "mode": mode,
        "round": turn,
        "rc": step.run.rc,
        "differences": None if text is None else summary(text),
        "host_tasks": events.host_tasks(step.run.events),
        **{kind: round(step.measured[kind], 2) for kind in ("wall", "ssh")},
        "cpu": round(cpu(step.measured), 2),
        "load": round(os.getloadavg()[0], 1),
    }


def add_run(options: argparse.Namespace, content: Content, run: dict[str, Any]) -> None:
    """Put one run of the benchmark beside the earlier ones, if they are of the same versions, and write the page anew."""
    known: dict[str, Any] = json.loads(JSON.read_text()) if JSON.exists() else {}
    found = versions(content)
    series = ".".join(found["ansible-core"].split(".")[:2])
    name = " ".join(["bench", options.content, series, run["mode"], *options.more])
    entry = {
        "content": options.content,
        "series": series,
        "mode": run["mode"],
        "arguments": options.more,
        "date": _today(),
        "versions": found,
        "machine": _machine(),
    }
    older = known.get(name, {})
    known[name] = {**entry, "runs": [*(older["runs"] if older.get("versions") == found else ()), run]}
    JSON.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n")
    write()


def write() -> None:
    """Write the page from the record."""
    PAGE.write_text(page(json.loads(JSON.read_text())))


def _in(entry: dict[str, Any], newer: dict[str, Any]) -> bool:
    """Whether the newer record is of the same, and has each step of the other."""
    if "steps" not in entry:
        return False
    same = all(entry[what] == newer[what] for what in ("content", "series", "hosts", "arguments"))
    return same and {step["mode"] for step in entry["steps"]} <= {step["mode"] for step in newer["steps"]}


def page(known: dict[str, Any]) -> str:
    """Return the page."""
    lines = [HEAD]
    for content in dict.fromkeys(entry["content"] for entry in known.values()):
        entries = [entry for entry in known.values() if entry["content"] == content]
        lines += [f"## {content}", "", CONTENTS[content].about + ".", ""]
        lines += _compared([entry for entry in entries if "steps" in entry])
        lines += _measured([entry for entry in entries if "runs" in entry])
    return "\n".join(lines)


def _compared(entries: list[dict[str, Any]]) -> list[str]:
    if not entries:
        return []
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    for entry in entries:
        lines += [_row(entry, step) for step in entry["steps"]]
    lines.append("")
    for entry in entries:
        for step in entry["steps"]:
            if step["details"]:
                details = (f"    {line}" for line in step["details"])
                lines += [f"{entry['series']}, {step['mode']}, plain | mitopatch:", "", *details, ""]
    return lines


def _measured(entries: list[dict[str, Any]]) -> list[str]:
    if not entries:
        return []
    lines = [BENCH, "| " + " | ".join(BENCH_COLUMNS) + " |", "|---" * len(BENCH_COLUMNS) + "|"]
    for entry in entries:
        lines += _bench_rows(entry)
    lines.append("")
    for entry in entries:
        lines += _against_published(entry)
    return [*lines, ""]


def _medians(entry: dict[str, Any]) -> dict[int, dict[str, dict[str, float]]]:
    """Return the medians of each figure, for each number of hosts and arm."""
    runs = sorted(entry["runs"], key=lambda run: (run["hosts"], ARMS.index(run["arm"])))
    found: dict[int, dict[str, dict[str, float]]] = {}
    for hosts, arm in dict.fromkeys((run["hosts"], run["arm"]) for run in runs):
        mine = [run for run in runs if (run["hosts"], run["arm"]) == (hosts, arm)]
        figures = {kind: statistics.median(run[kind] for run in mine) for kind in ("wall", "cpu", "ssh")}
        figures["rate"] = statistics.median(run["host_tasks"] / run["cpu"] for run in mine)
        figures["rate without ssh"] = statistics.median(run["host_tasks"] / (run["cpu"] - run["ssh"]) for run in mine)
        found.setdefault(hosts, {})[arm] = figures
    return found


def _times(entry: dict[str, Any], hosts: int, arm: str, other: str, kind: str) -> Optional[float]:
    """Return how many times as much the first arm needs as the other: the median over the rounds that both were in.

    Rounds differ by what else the machine does, and not every arm was in each.
    """
    rounds: dict[str, dict[str, float]] = {}
    for run in entry["runs"]:
        if run["hosts"] == hosts:
            rounds.setdefault(run["round"], {})[run["arm"]] = run[kind]
    values = [found[arm] / found[other] for found in rounds.values() if arm in found and other in found]
    return statistics.median(values) if values else None


def _bench_rows(entry: dict[str, Any]) -> list[str]:
    rows = []
    for hosts, arms in _medians(entry).items():
        for arm, figures in arms.items():
            mine = [run for run in entry["runs"] if (run["hosts"], run["arm"]) == (hosts, arm)]
            times = [_times(entry, hosts, arm, MITOPATCH, kind) if arm != MITOPATCH else None for kind in ("wall", "cpu")]
            same = ", ".join(dict.fromkeys(run["differences"] for run in mine if run["differences"]))
            cells = [
                entry["versions"]["ansible-core"],
                " ".join([entry["mode"], *(f"`{argument}`" for argument in entry["arguments"])]),
                hosts,
                arm,
                len(mine),
                ", ".join(str(code) for code in dict.fromkeys(run["rc"] for run in mine)),
                "judge" if arm == PLAIN else same or "not compared",
                ", ".join(str(number) for number in dict.fromkeys(run["host_tasks"] for run in mine)),
                *(f"{figures[kind]:.{digits}f}" for kind, digits in (("wall", 0), ("cpu", 1), ("rate", 1), ("rate without ssh", 1))),
                *("" if ratio is None else f"{ratio:.2f}" for ratio in times),
            ]
            rows.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return rows


def _against_published(entry: dict[str, Any]) -> list[str]:
    """Say how the figures stand to those that are published of this approach."""
    found, name = _medians(entry), f"- ansible-core {entry['versions']['ansible-core']}, {entry['mode']}"
    lines = []
    for arm in (MITOGEN, MITOPATCH):
        wall, used = (_times(entry, 1, arm, PLAIN, kind) for kind in ("wall", "cpu"))
        if wall and used:
            text = f"time {wall - 1:+.0%}, CPU {used - 1:+.0%} (published: time {PUBLISHED:+.0%})"
            lines.append(f"{name}, one host, {arm} against plain: {text}.")
    lines += [f"{name}, {hosts} hosts: plain was not run to its end." for hosts, arms in found.items() if PLAIN not in arms]
    for arm in ARMS:
        rates = {hosts: arms[arm]["rate"] for hosts, arms in found.items() if arm in arms}
        if len(rates) > 1 and 1 in rates:
            text = ", ".join(f"{rate / rates[1]:.2f} at {hosts}" for hosts, rate in rates.items() if hosts > 1)
            lines.append(f"{name}, {arm}: host-tasks per second of CPU, against 1 at one host: {text} (published: 1).")
    return lines


def _row(entry: dict[str, Any], step: dict[str, Any]) -> str:
    wanted = ("ansible-core", *CONTENTS[entry["content"]].versions)
    cells = [
        entry["date"],
        ", ".join(f"{name} {entry['versions'][name]}" for name in wanted if name in entry["versions"]),
        entry["hosts"],
        " ".join([step["mode"], *(f"`{argument}`" for argument in entry["arguments"])]),
        f"{step['tasks']}, {step['host_tasks']}, {step['events']}",
        step["rc"],
        step["differences"],
        *(f"{step[kind]['plain']:.0f} s, {step[kind]['mitopatch']:.0f} s" for kind in ("wall", "cpu")),
    ]
    return "| " + " | ".join(str(cell) for cell in cells) + " |"
