"""[maintenance] Where two runs of one step differ: the test bed's comparison of runs, and the files of targets and project."""

from __future__ import annotations

import re
from pathlib import Path

from maintenance.realcontent.arms import Step

from testbed import compare  # isort: skip  # found through arms

#: What a run writes beside the project: its own record, and the connections of the moment.
OWN = ("events", "stdout", "stderr", "measured.json", "ansible.cfg", "cp", "local_tmp", "changed")
LIMIT = 400


def project(directory: Path) -> dict[str, str]:
    """Return what is in the project on the controller: inventory, secrets, files that roles keep there."""
    found = {}
    for name, digest in compare.tree(directory).items():
        if name.partition("/")[0].partition(".")[0] not in {own.partition(".")[0] for own in OWN}:
            found[name] = digest
    return found


def of_step(one: Step, other: Step) -> str:
    """Return the differences in words; an empty text if there are none."""
    found = [compare.difference(one.run, other.run)]
    for place in sorted(set(one.files) | set(other.files)):
        left, right = one.files.get(place, {}), other.files.get(place, {})
        lines = [
            f"{name}: {left.get(name)} | {right.get(name)}" for name in sorted(set(left) | set(right)) if left.get(name) != right.get(name)
        ]
        if lines:
            more = [f"... {len(lines) - LIMIT} more"] if len(lines) > LIMIT else []
            found.append("\n".join([f"== files of {place} differ", *lines[:LIMIT], *more]) + "\n")
    return "".join(found)


def summary(text: str) -> str:
    """Return which parts differ, in one line."""
    parts = re.findall(r"^== (.*) differs?$", text, re.MULTILINE)
    return "no difference" if not text else "different: " + ", ".join(parts)


def cpu(measured: dict[str, float]) -> float:
    """Return the CPU seconds of the controller's processes."""
    return measured["user"] + measured["system"]
