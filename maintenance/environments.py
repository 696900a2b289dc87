"""[maintenance] The names of the test environments, and what each of them stands for; read by tox, CI and the matrix.

    core2.16            the newest patch release of a series, whatever it is today; the whole suite
    core2.16-oldest     the oldest one that is supported; the short run
    core2.16.7          one release; the short run
    core2.16.7-py313    any of them on another Python than the series' own

Everything follows from mitopatch/versions/__init__.py:SUPPORTED, so that no name needs the network: upstream numbers the
patch releases of a series without gaps, and tests/meta/test_matrix.py compares them with the fingerprints' table.

    python -m maintenance.environments           write the block of labels in tox.ini
    python -m maintenance.environments newest    print the environments of a label, each with its release and its Python
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Optional

from mitopatch.versions import SUPPORTED, Row

TOX_INI = Path(__file__).parent.parent / "tox.ini"
BEGIN = "# BEGIN labels, written by: nox -s matrix"
END = "# END labels"
# The Python of a series is the first of these that upstream supports.
PREFERRED = ("3.11", "3.9", "3.12")
# Their filters import what Jinja2 3.1 took away, and upstream never said so in their requirements.
JINJA2 = {"2.11": "<3.1", "2.12": "<3.1"}
SHORT = "-n 0 tests/matrix/test_behaviour.py tests/bundle/test_contract.py -k 'not sample'"
_NAME = re.compile(r"core(?P<series>\d+\.\d+)(?:\.(?P<patch>\d+)|-(?P<oldest>oldest))?(?:-py(?P<major>3)(?P<minor>\d+))?")


class Environment(NamedTuple):
    """[maintenance] What an environment's name says: ``release`` is 2.16.7, or 2.16.* for the newest."""

    name: str
    row: Row
    release: str
    python: str

    @property
    def short(self) -> bool:
        """[maintenance] Does it run the short run, and not the whole suite?"""
        return not self.release.endswith(".*")


def python(row: Row) -> str:
    """[maintenance] The Python that a series is tested on where the name says nothing else."""
    return next((version for version in PREFERRED if version in row.pythons), row.pythons[0])


def pythons(row: Row) -> list[str]:
    """[maintenance] All Pythons of a series, its own first; the others run its newest release only."""
    own = python(row)
    return [own, *(version for version in row.pythons if version != own)]


def _minor(version: str) -> int:
    return int(version.rpartition(".")[2])


def releases(row: Row) -> list[str]:
    """[maintenance] Every release of a series, oldest first."""
    return [f"{row.series}.{patch}" for patch in range(_minor(row.oldest), _minor(row.newest) + 1)]


def environment(name: str) -> Optional[Environment]:
    """[maintenance] The environment of this name; None if it is none of ours, or nothing that is supported."""
    match = _NAME.fullmatch(name)
    row = next((row for row in SUPPORTED if match and row.series == match["series"]), None)
    if match is None or row is None:
        return None
    release = f"{row.series}.*"
    if match["oldest"]:
        release = row.oldest
    elif match["patch"]:
        release = f"{row.series}.{match['patch']}"
        if release not in releases(row):
            return None
    version = f"{match['major']}.{match['minor']}" if match["minor"] else python(row)
    return Environment(name, row, release, version) if version in row.pythons else None


def here(version: tuple[int, int]) -> Row:
    """[maintenance] The newest series for a Python; the newest of all for a Python that none of them knows."""
    text = f"{version[0]}.{version[1]}"
    return next((row for row in reversed(SUPPORTED) if text in row.pythons), SUPPORTED[-1])


def labels() -> dict[str, list[str]]:
    """[maintenance] Label -> names of environments: what `tox -m LABEL` runs."""
    found = {
        "newest": [f"core{row.series}" for row in SUPPORTED],
        "oldest": [f"core{row.series}-oldest" for row in SUPPORTED],
        "pythons": [f"core{row.newest}-py{version.replace('.', '')}" for row in SUPPORTED for version in pythons(row)[1:]],
    }
    for row in SUPPORTED:
        found[row.series] = [f"core{release}" for release in releases(row)]
    return found


def names() -> list[str]:
    """[maintenance] Every name without a Python, and those of the labels with one."""
    return list(dict.fromkeys(name for group in labels().values() for name in group))


def block() -> str:
    """[maintenance] The labels as they stand in tox.ini; a series' releases as a range, which tox expands."""
    found = labels()
    for row in SUPPORTED:
        found[row.series] = [f"core{row.series}.{{{_minor(row.oldest)}-{_minor(row.newest)}}}"]
    lines = [f"    {label} = {', '.join(group)}" for label, group in found.items()]
    return "\n".join([BEGIN, "labels =", *lines, END])


def written(text: str) -> str:
    """[maintenance] tox.ini's text with the block brought up to date. Raises ValueError if the marks are gone."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"tox.ini has no lines {BEGIN!r} and {END!r}")
    return before + block() + after


def main(arguments: Sequence[str]) -> int:
    """[maintenance] The command."""
    if not arguments:
        TOX_INI.write_text(written(TOX_INI.read_text(encoding="utf-8")), encoding="utf-8")
        return 0
    for label in arguments:
        for name in labels()[label]:
            found = environment(name)
            if found is not None:
                print(name, found.row.newest if found.release.endswith(".*") else found.release, f"python{found.python}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
