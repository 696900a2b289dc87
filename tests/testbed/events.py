"""Reads the event log of a run and removes what may differ between two runs of the same playbook.

Everything that is removed is named in the tables below, each with its reason; what is not named must be equal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Event = dict[str, Any]

# Clock, process and job numbers, names of temporary files: never the same twice. The name decides, at any depth.
VOLATILE_KEYS = {
    "start": "when a command began",
    "end": "when a command ended",
    "delta": "how long it took",
    "elapsed": "wait_for, wait_for_connection and uri: seconds waited",
    "pid": "a process",
    "child_pid": "async: a process",
    "worker_pid": "the plugin `where`: the process that ran a task",
    "worker_thread": "the plugin `where`: the thread that ran a task",
    "remote_pid": "the module `probe`: its process on the target",
    "ansible_job_id": "async: made of a random number and a pid",
    "results_file": "async: named by the job id",
    "src": "copy and template: a temporary file on the controller or the target",
    "_ansible_tmpdir": "temporary directory on the target",
    "uuid": "random",
    "atime": "clock",
    "mtime": "clock",
    "ctime": "clock",
    "birthtime": "clock",
    "inode": "file system",
    "version": "stat: a generation number of the file system",
    "device_type": "stat: file system",
    "dev": "stat: file system",
    "blocks": "stat: allocation may lag behind the write",
    "started": "async: polls see the job at different moments",
    "_debugger_thread": "a thread",
    "cache_update_time": "apt: when it fetched its indexes",
}

# Facts about a machine that moves on while the test runs.
VOLATILE_FACTS = {
    "date_time": "clock",
    "uptime_seconds": "clock",
    "loadavg": "load",
    "memfree_mb": "memory",
    "memory_mb": "memory",
    "swapfree_mb": "memory",
    "mounts": "free blocks",
    "devices": "may appear and vanish",
    "fibre_channel_wwn": "hardware probing",
    "interfaces": "containers come and go",
    "entropy_avail": "kernel",
}

# Of the fact `env`: belongs to one connection or one shell, not to the target; or is that of the tests.
VOLATILE_ENVIRONMENT = {"SSH_CLIENT", "SSH_CONNECTION", "SSH_TTY", "SUDO_COMMAND", "_", "SHLVL", "OLDPWD", "LS_COLORS", "TERM",
                        "MITOPATCH", "MITOPATCH_TEST_RUN"}  # fmt: skip

# Made from sets by the module itself: their order depends on the hash seed of the remote interpreter.
UNORDERED = {"virtualization_tech_guest", "virtualization_tech_host", "all_ipv4_addresses", "all_ipv6_addresses"}

# Plain Ansible itself has several texts for one host that is not there: ssh may end before, while or after it is written to. ssh's
# own words end their line, those about a broken pipe do not: where texts have colours, one line more or less.
UNREACHABLE = re.compile(
    r"(?:Data could not be sent to remote host|Failed to connect to the host via ssh).*?(?=\", \"|\"\}|$)(?:\s+\x1b\[0m$|\s+\Z)?",
    re.MULTILINE,
)

# Texts: (what to look for, what stands there instead).
VOLATILE_TEXT = [
    (UNREACHABLE, "<unreachable>"),
    (re.compile(r"ansible-tmp-[\d.]+-\d+-\d+"), "<tmp>"),
    (re.compile(r"\bj?\d{6,}\.\d{3,}\b"), "<job>"),
    (re.compile(r"ansible-local-\d+\w*"), "<local>"),
    (re.compile(r"ansible_mitogen_action_\w+"), "<tmp>"),
    (re.compile(r"\btmp\w{8}\b"), "<tmp>"),
    (re.compile(r"^\.\w{8}$"), "<tmp>"),  # copy with content: the base name of a temporary file, alone in its string
    (re.compile(r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?"), "<time>"),
    (re.compile(r"\b\d+:\d\d:\d\d\.\d{6}\b"), "<duration>"),
    (re.compile(r"0x[0-9a-f]{8,}"), "<address>"),
    (re.compile(r"Paused for [\d.]+ (seconds|minutes)"), r"Paused for <n> \1"),
    (re.compile(r'"cache_update_time": \d+'), '"cache_update_time": <time>'),
    (re.compile(r"Fetched [\d.,]+ k?M?B in \d+\w* \([^)]*\)"), "Fetched <packages>"),  # apt-get
    (re.compile(r"\(pid \d+\)|\bpid \d+"), "<pid>"),
    (re.compile(r"(\[sudo via ansible, key=)[a-z]{32}"), r"\1<random>"),
    (re.compile(r"\b\d+ bytes? from"), "<n> bytes from"),
    (re.compile(r"__omit_place_holder__[0-9a-f]{40}"), "<omit>"),  # up to 2.18, where a role leaves one inside a value
    (re.compile(r"\(root-commit\) [0-9a-f]{7,}"), "(root-commit) <commit>"),
    (re.compile(r"\w{3} \w{3} +\d+ \d\d:\d\d:\d\d UTC \d{4}"), "<time>"),
]


def read(path: Path) -> list[Event]:
    """Return the events in the order in which they were written; a line cut off by a kill is left out."""
    events = []
    if path.exists():
        for line in path.read_text(encoding="utf-8").split("\n")[:-1]:
            events.append(json.loads(line))
    return events


# Up to 2.13 a set, in an order that the hash seed of the module's process gives.
SUPPORTED_PARAMETERS = re.compile(r"(Supported parameters include: )([^.\"]*)")


def clean_text(text: str, paths: dict[str, str]) -> str:
    """Replace this run's paths by their names, then everything in the table of texts."""
    for path, name in paths.items():
        text = text.replace(path, name)
    for pattern, name in VOLATILE_TEXT:
        text = pattern.sub(name, text)
    return SUPPORTED_PARAMETERS.sub(lambda found: found[1] + ", ".join(sorted(found[2].split(", "))), text)


def clean(value: Any, paths: dict[str, str], key: str = "") -> Any:
    """Return the value without what the tables name; lists keep their order, except for those in UNORDERED."""
    if isinstance(value, dict):
        kept = {}
        for name, item in value.items():
            below = item
            bare = name[len("ansible_") :] if name.startswith("ansible_") else name
            if name in VOLATILE_KEYS or bare in VOLATILE_FACTS:
                continue
            if bare == "env" and isinstance(below, dict):
                below = {k: v for k, v in below.items() if k not in VOLATILE_ENVIRONMENT}
            if bare in UNORDERED and isinstance(below, list):
                below = sorted(below)
            kept[clean_text(name, paths)] = clean(below, paths, name)
        return kept
    if isinstance(value, (list, tuple)):
        return [clean(item, paths, key) for item in value]
    if isinstance(value, str):
        return clean_text(value, paths)
    return value


def cleaned(events: Iterable[Event], paths: dict[str, str]) -> list[Event]:
    """Return comparable events: cleaned, and without polls of async jobs: whether a job has ended by then is a matter of load."""
    kept: list[Event] = []
    for event in events:
        if event["event"] == "async_poll":
            continue
        fields = clean({k: v for k, v in event.items() if k not in ("pid", "forks")}, paths)
        if event.get("unreachable"):
            fields["result"].pop("exception", None)  # comes with one of the two texts, see UNREACHABLE
        if str(event.get("action", "")).endswith("async_status"):
            if event["event"] == "retry":  # how often an `until` asks is a matter of load too
                continue
            result = fields.get("result", {})
            for answer in (result, *result.get("results", ())):
                answer.pop("attempts", None)
        kept.append(fields)
    return kept


def by_host(events: Iterable[Event]) -> dict[str, list[Event]]:
    """Return each host's events in order, each with the play it belongs to (a play may run in several batches)."""
    play = ""
    hosts: dict[str, list[Event]] = {}
    for event in events:
        if event["event"] == "play_start":
            play = event["play"]
        elif "host" in event:
            hosts.setdefault(event["host"], []).append({**event, "play": play})
    return hosts


def sequence(events: Iterable[Event]) -> list[list[str]]:
    """Return the order of plays, tasks and includes: exact in a linear play, sorted inside plays that are not."""
    plays: list[list[str]] = [[]]
    linear = [True]
    for event in events:
        kind = event["event"]
        if kind == "play_start":
            plays.append([f"play {event['play']} ({event['strategy']})"])
            linear.append(event["strategy"] in ("linear", "ansible.builtin.linear", "debug"))
        elif kind in ("task_start", "handler_start"):
            plays[-1].append(f"{kind} {event['task']} {event['path']}")
        elif kind == "include" and linear[-1]:
            plays[-1].append(f"include {event['file']} {' '.join(event['hosts'])}")
        elif kind == "include":  # which hosts include together is a matter of when their results are looked at
            plays[-1] += [f"include {event['file']} {host}" for host in event["hosts"]]
        elif kind in ("no_hosts_matched", "no_hosts_remaining"):
            plays[-1].append(kind)
    return [play if exact else sorted(set(play)) for play, exact in zip(plays, linear)]


def stats(events: Iterable[Event]) -> Any:
    """Return the summary at the end of the run, or None if the run never came to it."""
    for event in events:
        if event["event"] == "stats":
            return event["hosts"]
    return None


def worker_pids(events: Iterable[Event]) -> dict[str, set[int]]:
    """Return for each host the processes in which its tasks ran, as the action plugin `where` reports them."""
    pids: dict[str, set[int]] = {}
    for event in events:
        worker = event.get("result", {}).get("worker_pid")
        if worker is not None:
            pids.setdefault(event["host"], set()).add(int(worker))
    return pids


def host_tasks(events: Iterable[Event]) -> int:
    """Return how many host-tasks the run finished, whatever came of them."""
    return sum(1 for event in events if event["event"] in ("ok", "failed", "unreachable", "skipped"))


def forks(events: Iterable[Event]) -> int:
    """Return how often the top process forked during the run."""
    return sum(event["forks"] for event in events if event["event"] == "stats")
