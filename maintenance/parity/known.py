"""[maintenance] The known failures: known.toml beside this file. Strict both ways, so that the list cannot rot.

    [[failure]]
    target = "some_target"
    series = ["2.16", "2.18"]     # where it fails; not a range, so that each is vouched for
    reason = "what differs, in one sentence"
    note = "what would mend it, and why it has not been"

An entry is wrong if its target passes, if it names a series that its target does not belong to or does not pass plain in,
or if it has nothing to say. A target that fails without an entry is wrong too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

PATH = Path(__file__).parent / "known.toml"
KEYS = ("target", "series", "reason", "note")


class Known(NamedTuple):
    """[maintenance] One entry."""

    target: str
    series: tuple[str, ...]
    reason: str
    note: str


def load(path: Path = PATH) -> list[Known]:
    """[maintenance] The entries of the file. Needs Python 3.11, and raises ValueError for a file that is no good."""
    import tomllib

    return read(tomllib.loads(path.read_text(encoding="utf-8")))


def read(table: Mapping[str, Any]) -> list[Known]:
    """[maintenance] The entries of a parsed file."""
    found = []
    for number, entry in enumerate(table.get("failure", []), 1):
        wrong = [key for key in KEYS if not entry.get(key)] + [key for key in entry if key not in KEYS]
        if wrong:
            raise ValueError(f"known failure {number} ({entry.get('target', 'no target')}): missing, empty or unknown: {', '.join(wrong)}")
        found.append(Known(entry["target"], tuple(entry["series"]), entry["reason"], entry["note"]))
    return found


def complaints(entries: list[Known], series: Collection[str]) -> Iterator[str]:
    """[maintenance] What is wrong with the file by itself, where these series are supported."""
    seen: set[tuple[str, str]] = set()
    for entry in entries:
        for one in entry.series:
            if one not in series:
                yield f"known.toml: {entry.target}: {one} is no supported series"
            if (entry.target, one) in seen:
                yield f"known.toml: {entry.target}: {one} is listed twice"
            seen.add((entry.target, one))


def judge(entries: list[Known], series: str, existing: Collection[str], ran: Mapping[str, tuple[bool, bool]]) -> Iterator[str]:
    """[maintenance] Everything that is an error in a run: ``ran`` says of each target whether it passed plain and patched.

    ``existing``: all targets of this release, so that an entry for one that is not there is found by any run.
    """
    listed = {entry.target for entry in entries if series in entry.series}
    for target in sorted(listed):
        if target not in existing:
            yield f"{target}: is a known failure on {series}, which has no such target: take {series} out of its entry"
        elif target in ran and not ran[target][0]:
            yield f"{target}: is a known failure on {series}, and does not pass with plain Ansible here: take {series} out of its entry"
        elif target in ran and ran[target][1]:
            yield f"{target}: is a known failure on {series}, and passes: take {series} out of its entry"
    for target, (plain, patched) in sorted(ran.items()):
        if plain and not patched and target not in listed:
            yield f"{target}: passes with plain Ansible and fails with mitopatch"
