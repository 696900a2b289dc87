"""[maintenance] Where two runs of one step differ: the test bed's comparison of runs, and the files of targets and project."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

from maintenance.realcontent import digest
from maintenance.realcontent.arms import Step
from maintenance.realcontent.contents import Content

from testbed import compare  # isort: skip  # found through arms
from testbed.runs import Run  # isort: skip

#: What a run writes beside the project: its own record, the connections of the moment, and what mitopatch remembers of texts.
OWN = ("cache", "events", "stdout", "stderr", "measured.json", "ansible.cfg", "cp", "local_tmp", "changed", "step")
LIMIT = 400


def project(directory: Path) -> dict[str, str]:
    """Return what is in the project on the controller: inventory, secrets, files that roles keep there."""
    found = {}
    for name, content in compare.tree(directory).items():
        if name.partition("/")[0].partition(".")[0] not in {own.partition(".")[0] for own in OWN}:
            found[name] = content
    return found


#: What a result says of a file's content; left out where the content is.
OF_CONTENT = ("checksum", "md5sum", "remote_checksum", "remote_md5sum", "size")


def _compared(done: Run, content: Content) -> Run:
    """Return a run without what is another in every run of this role set."""
    texts = re.compile("|".join(f"(?:{pattern})" for pattern in content.text_left_out) or r"(?!)")
    files = re.compile("|".join(f"(?:/{pattern})" for pattern in content.content_left_out) or r"(?!)")

    def bare(value: Any) -> Any:
        if isinstance(value, dict):
            place = value.get("dest", value.get("path"))
            hidden = OF_CONTENT if isinstance(place, str) and files.fullmatch(place) else ()
            return {key: bare(item) for key, item in value.items() if key not in hidden}
        if isinstance(value, list):
            return [bare(item) for item in value]
        return texts.sub("<random>", value) if isinstance(value, str) else value

    out, err = (texts.sub("<random>", text) for text in (done.stdout, done.stderr))
    return dataclasses.replace(done, stdout=out, stderr=err, events=bare(done.events))


def of_step(one: Step, other: Step, content: Content) -> str:
    """Return the differences in words; an empty text if there are none."""
    left_run, right_run = _compared(one.run, content), _compared(other.run, content)
    if sorted(left_run.stderr) == sorted(right_run.stderr):
        # Programs that workers start at once (the lookup `pipe`) share it, and write a line in parts: "cat: ", a name, the reason.
        right_run = dataclasses.replace(right_run, stderr=left_run.stderr)
    found = [compare.difference(left_run, right_run)]
    for place in sorted(set(one.files) | set(other.files)):
        left, right = (digest.without(step.files.get(place, {}), content.left_out, content.content_left_out) for step in (one, other))
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
