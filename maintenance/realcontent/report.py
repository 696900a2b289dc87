"""[maintenance] Writes docs/real-content.json, a record for each role set, release and step, and docs/real-content.md from it."""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
from typing import Any

from maintenance.realcontent.arms import ROOT, Step
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
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
        "versions": found,
        "machine": {"cores": os.cpu_count(), "kernel": platform.release(), "targets": f"Debian {SUITE}"},
        "steps": [{"mode": mode, **record(pair)} for mode, pair in zip(options.steps, pairs)],
    }
    known = dict(sorted((key, entry) for key, entry in known.items() if key == name or not _in(entry, known[name])))
    JSON.write_text(json.dumps(known, indent=1) + "\n")
    write()


def write() -> None:
    """Write the page from the record."""
    PAGE.write_text(page(json.loads(JSON.read_text())))


def _in(entry: dict[str, Any], newer: dict[str, Any]) -> bool:
    """Whether the newer record is of the same, and has each step of the other."""
    same = all(entry[what] == newer[what] for what in ("content", "series", "hosts", "arguments"))
    return same and {step["mode"] for step in entry["steps"]} <= {step["mode"] for step in newer["steps"]}


def page(known: dict[str, Any]) -> str:
    """Return the page."""
    lines = [HEAD]
    for content in dict.fromkeys(entry["content"] for entry in known.values()):
        lines += [f"## {content}", "", CONTENTS[content].about + ".", ""]
        lines += ["| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
        for entry in known.values():
            if entry["content"] == content:
                lines += [_row(entry, step) for step in entry["steps"]]
        lines.append("")
        for entry in known.values():
            for step in entry["steps"] if entry["content"] == content else ():
                if step["details"]:
                    lines += [
                        f"{entry['series']}, {step['mode']}, plain | mitopatch:",
                        "",
                        *(f"    {line}" for line in step["details"]),
                        "",
                    ]
    return "\n".join(lines)


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
