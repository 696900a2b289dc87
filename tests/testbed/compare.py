"""Says in words where two runs of the same playbook differ; an empty text means that they agree."""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
import stat
from pathlib import Path
from typing import Any

from . import events
from .runs import Run

BANNER = re.compile(r"^(PLAY|TASK|RUNNING HANDLER|PLAY RECAP|NO MORE HOSTS LEFT)\b")
INCLUDED = re.compile(r"^(included: .* for )([^=]*?)( => .*)?$")
LIMIT = 120


def tree(root: Path) -> dict[str, str]:
    """Return every file below root: type, mode, owner and content (a digest of it, the text itself if it is short)."""
    found = {}
    # `fetch` puts the whole path of the target's file below its own directory, and that path names the run.
    inner = str(root.parent).lstrip("/")
    for directory, names, files in os.walk(root):
        for entry in names + files:
            path = os.path.join(directory, entry)
            name = os.path.relpath(path, root)
            if f"{inner}/".startswith(name.partition("/")[2] + "/"):
                continue
            info = os.lstat(path)
            content = ""
            if stat.S_ISLNK(info.st_mode):
                content = " -> " + os.readlink(path).replace(str(root), "<root>")
            elif stat.S_ISREG(info.st_mode):
                data = Path(path).read_bytes().replace(os.fsencode(root), b"<root>")
                content = " " + (repr(data) if len(data) < 200 else hashlib.sha256(data).hexdigest())
            found[name.replace(inner, "<run>")] = f"{stat.filemode(info.st_mode)} {info.st_uid}:{info.st_gid}{content}"
    return found


def output_lines(text: str, paths: dict[str, str]) -> list[str]:
    """Return the lines of the default callback, without what the load of the machine decides."""
    lines = []
    for line in events.clean_text(text, paths).splitlines():
        found = INCLUDED.match(line)
        if found:  # hosts stand in the order in which they got there
            lines.append(found[1] + ", ".join(sorted(found[2].split(", "))) + (found[3] or ""))
        elif not line.startswith(("ASYNC POLL on", "FAILED - RETRYING:")):  # as many as it takes; the events have the others
            lines.append(line.rstrip())
    return lines


def output_blocks(text: str, paths: dict[str, str]) -> list[str]:
    """Return the default callback's output with the hosts' lines sorted inside each task."""
    blocks: list[list[str]] = [[]]
    for line in output_lines(text, paths):
        if BANNER.match(line):
            blocks.append([])
        blocks[-1].append(line)
    flat: list[str] = []
    for block in blocks:
        flat += block[:1] + sorted(block[1:])
    return flat


def output_sorted(text: str, paths: dict[str, str]) -> list[str]:
    """Return the set of output lines, for runs whose hosts do not wait for each other (banners repeat there)."""
    lines: set[str] = set()
    for line in output_lines(text, paths):
        found = INCLUDED.match(line)
        lines.update((found[1] + host + (found[3] or "") for host in found[2].split(", ")) if found else (line,))
    return sorted(lines)


def warnings(text: str, paths: dict[str, str]) -> list[str]:
    """Return the set of lines on standard error: which host is first to warn is a matter of chance."""
    return sorted(set(events.clean_text(text, paths).splitlines()))


def _lines(value: Any) -> list[str]:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    return json.dumps(value, indent=1, sort_keys=True, default=repr).splitlines()


def part(what: str, left: Any, right: Any) -> str:
    if left == right:
        return ""
    found = list(difflib.unified_diff(_lines(left), _lines(right), "plain", "other", lineterm="", n=4))
    more = f"\n... {len(found) - LIMIT} more lines" if len(found) > LIMIT else ""
    return f"== {what} differs\n" + "\n".join(found[:LIMIT]) + more + "\n"


def difference(plain: Run, other: Run) -> str:
    """Compare exit code, order of tasks, every host's events, statistics, output, warnings and files."""
    left = events.cleaned(plain.events, plain.paths)
    right = events.cleaned(other.events, other.paths)
    found = [part("exit code", [str(plain.rc)], [str(other.rc)])]
    order = events.sequence(left)
    found.append(part("order of tasks", order, events.sequence(right)))
    hosts, others = events.by_host(left), events.by_host(right)
    for host in sorted(set(hosts) | set(others)):
        found.append(part(f"events of {host}", hosts.get(host, []), others.get(host, [])))
    found.append(part("statistics", events.stats(left), events.stats(right)))
    ordered = all("(linear)" in play[0] for play in order if play)
    shape = output_blocks if ordered else output_sorted
    found.append(part("output", shape(plain.stdout, plain.paths), shape(other.stdout, other.paths)))
    found.append(part("stderr", warnings(plain.stderr, plain.paths), warnings(other.stderr, other.paths)))
    for name in ("targets", "fetched"):
        found.append(part(f"files ({name})", tree(plain.directory / name), tree(other.directory / name)))
    found.append(part("cached facts", cached_facts(plain), cached_facts(other)))
    return "".join(found)


def cached_facts(run: Run) -> dict[str, Any]:
    """Return what a fact cache on disk holds for each host, without what changes from run to run."""
    directory = run.directory / "facts"
    names = sorted(path.name for path in directory.iterdir()) if directory.exists() else []
    found = {}
    for name in names:
        content = json.loads((directory / name).read_text())
        if isinstance(content, dict) and "__payload__" in content:  # from 2.19: text in text
            content = json.loads(content["__payload__"])
        found[name] = events.clean(content, run.paths)
    return found


def assert_same(plain: Run, other: Run) -> None:
    """Fail with a readable difference unless the two runs agree; both directories are named."""
    found = difference(plain, other)
    assert not found, f"{found}\nplain: {plain.directory}\nother: {other.directory}"
