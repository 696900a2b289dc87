"""[controller] Source patches (patches/README.md): found, read and applied to the text of one function, exactly or not at all."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from mitopatch import fingerprint
from mitopatch.errors import NotApplied, Reason

FIELDS = ("Target", "Fingerprint", "Why", "Upstream", "Undo-When")
MOST_ADDED = 30
_HUNK = re.compile(r"^@@ -(\d+),(\d+) \+(\d+),(\d+) @@$")


class Hunk(NamedTuple):
    """[controller] From line ``start`` (counted from 1) ``removed`` lines go and ``added`` come."""

    start: int
    removed: int
    added: tuple[str, ...]


class Patch(NamedTuple):
    """[controller] One patch file: its header by field, its hunks in order."""

    name: str
    header: dict[str, str]
    hunks: tuple[Hunk, ...]

    def apply(self, source: str) -> str:
        """[controller] The patched text of the function, normalised. Raises NotApplied if the fingerprint or a hunk does not fit."""
        found = fingerprint.of_source(source)
        known = re.split(r"[\s,]+", self.header["Fingerprint"])
        if found not in known:
            raise self._misfit(f"fingerprint {found}, made for {', '.join(known)}")
        lines = fingerprint.normalise(source).split("\n")
        # From the end, so that the line numbers of earlier hunks stay true.
        for hunk in reversed(self.hunks):
            if hunk.start - 1 + hunk.removed > len(lines):
                raise self._misfit(f"line {hunk.start} is behind the end")
            lines[hunk.start - 1 : hunk.start - 1 + hunk.removed] = hunk.added
        return "\n".join(lines) + "\n"

    def _misfit(self, problem: str) -> NotApplied:
        return NotApplied(Reason("MP141", file=self.name, target=self.header["Target"], problem=problem))


def folder() -> str:
    """[controller] Where the patches lie: inside the package, or beside it in a checkout and an editable install."""
    here = os.path.dirname(os.path.abspath(__file__))
    shipped = os.path.join(here, "_patches")
    return shipped if os.path.isdir(shipped) else os.path.join(os.path.dirname(here), "patches")


def load(series: str, root: str = "") -> list[Patch]:
    """[controller] The patches a series' ``series`` file names, in order; none if there is no such file. Raises NotApplied (MP140)."""
    base = os.path.join(root or folder(), series)
    listing = os.path.join(base, "series")
    if not os.path.exists(listing):
        return []
    try:
        with open(listing, encoding="utf-8") as file:
            names = [line.partition("#")[0].strip() for line in file]
    except (OSError, UnicodeError) as error:
        raise NotApplied(Reason("MP140", file=listing, problem=f"{type(error).__name__}: {error}")) from error
    return [_read(base, name) for name in names if name]


def _read(base: str, name: str) -> Patch:
    try:
        with open(os.path.join(base, name), encoding="utf-8") as file:
            return parse(name, file.read())
    except (OSError, ValueError) as error:
        raise NotApplied(Reason("MP140", file=name, problem=f"{type(error).__name__}: {error}")) from error


def parse(name: str, text: str) -> Patch:
    """[controller] A patch from its text. Raises ValueError naming what is wrong."""
    head, mark, body = text.partition("\n---\n")
    header = {key: value.strip() for key, _, value in (line.partition(":") for line in head.splitlines())}
    missing = [field for field in FIELDS if not header.get(field)]
    if not mark or missing:
        raise ValueError(f"no {missing[0] if missing else 'line with ---'}")
    hunks: list[Hunk] = []
    lines = body.splitlines()
    while lines:
        match = _HUNK.match(lines.pop(0))
        if match is None:
            raise ValueError(f"hunk {len(hunks) + 1} does not begin with @@ -LINE,COUNT +LINE,COUNT @@")
        start, removed, _line, count = map(int, match.groups())
        if removed and (not lines or lines.pop(0) != f"-{removed}"):
            raise ValueError(f"hunk {len(hunks) + 1} does not say -{removed}")
        added = [line[1:] for line in lines[:count] if line.startswith("+")]
        if len(added) != count or start < 1 or (hunks and start < hunks[-1].start + hunks[-1].removed):
            raise ValueError(f"hunk {len(hunks) + 1} has {len(added)} of {count} added lines, or stands out of order")
        del lines[:count]
        hunks.append(Hunk(start, removed, tuple(added)))
    total = sum(len(hunk.added) for hunk in hunks)
    if not hunks or total > MOST_ADDED:
        raise ValueError(f"{total} added lines; 1 to {MOST_ADDED} are allowed")
    return Patch(name, header, tuple(hunks))
