"""[controller] Source patches (patches/README.md): found, read and applied to the lines of one function, exactly or not at all."""

from __future__ import annotations

import os
import re
from typing import NamedTuple, Optional

from mitopatch.body import Body
from mitopatch.errors import NotApplied, Reason

FIELDS = ("Target", "Why", "Upstream", "Undo-When")
MOST_ADDED = 30
_BODY = re.compile(r"^Body: ([0-9a-f]{16})(?: +(\S.*))?$")
_HUNK = re.compile(r"^@@ -(\d+),(\d+) \+(\d+),(\d+) @@$")


class Hunk(NamedTuple):
    """[controller] From line ``start`` (counted from 1) ``removed`` lines go and ``added`` come."""

    start: int
    removed: int
    added: tuple[str, ...]


class Section(NamedTuple):
    """[controller] The hunks for some bodies: fingerprint -> the releases that have it, as a help for readers."""

    bodies: dict[str, str]
    hunks: tuple[Hunk, ...]


class Line(NamedTuple):
    """[controller] One line of a patched function; ``added`` tells ours from upstream's."""

    text: str
    added: bool


class Patch(NamedTuple):
    """[controller] One patch file: its header by field, its sections in order."""

    name: str
    header: dict[str, str]
    sections: tuple[Section, ...]

    @property
    def fingerprints(self) -> dict[str, Section]:
        """[controller] Which section is for which body."""
        return {found: section for section in self.sections for found in section.bodies}

    def apply(self, body: Body) -> tuple[Line, ...]:
        """[controller] The lines of the patched function, indented as in the file. Raises NotApplied if no section is for this body."""
        section = self.fingerprints.get(body.fingerprint)
        if section is None:
            raise NotApplied(self.misfit(f"the patch has no section for its body {body.fingerprint}"))
        lines = [Line(text, False) for text in body.lines]
        indent = body.lines[0][: len(body.lines[0]) - len(body.lines[0].lstrip())]
        # From the end, so that the line numbers of earlier hunks stay true.
        for hunk in reversed(section.hunks):
            last = hunk.start - 1 + max(hunk.removed, 1)
            if last > len(body.places):
                raise NotApplied(self.misfit(f"line {last} of {body.fingerprint} is behind the end"))
            start = body.places[hunk.start - 1]
            # Comments and blank lines between two lines that go are about them, and go too.
            end = body.places[last - 1] + 1 if hunk.removed else start
            lines[start:end] = [Line(indent + text, True) for text in hunk.added]
        return tuple(lines)

    def misfit(self, problem: str) -> Reason:
        """[controller] Why the patch is not for the function that is there."""
        return Reason("MP141", file=self.name, target=self.header["Target"], problem=problem)


def folder() -> str:
    """[controller] Where the patches lie: inside the package, or beside it in a checkout and an editable install."""
    here = os.path.dirname(os.path.abspath(__file__))
    shipped = os.path.join(here, "_patches")
    return shipped if os.path.isdir(shipped) else os.path.join(os.path.dirname(here), "patches")


def listed(series: str, root: str = "") -> list[str]:
    """[controller] The names in a series' ``series`` file, as they stand there, in order; none if there is no such file. Raises OSError."""
    path = os.path.join(root or folder(), series, "series")
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        names = [line.partition("#")[0].strip() for line in file]
    return [name for name in names if name]


def load(series: str, root: str = "") -> list[Patch]:
    """[controller] The patches of a series, in order. Raises NotApplied (MP140) if one is damaged, or two are for one function."""
    found: list[Patch] = []
    name = os.path.join(series, "series")
    try:
        for name in listed(series, root):
            with open(os.path.join(root or folder(), series, name), encoding="utf-8") as file:
                patch = parse(os.path.basename(name), file.read())
            if any(patch.header["Target"] == other.header["Target"] for other in found):
                raise ValueError(f"a second patch for {patch.header['Target']}")
            found.append(patch)
    except (OSError, ValueError) as error:
        raise NotApplied(Reason("MP140", file=name, problem=f"{type(error).__name__}: {error}")) from error
    return found


def parse(name: str, text: str) -> Patch:
    """[controller] A patch from its text. Raises ValueError naming what is wrong."""
    head, mark, rest = text.partition("\n---\n")
    header = header_of(head)
    missing = [field for field in FIELDS if not header.get(field)]
    if not mark or missing:
        raise ValueError(f"no {missing[0] if missing else 'line with ---'}")
    lines = rest.splitlines()
    sections: list[Section] = []
    seen: set[str] = set()
    while lines:
        bodies: dict[str, str] = {}
        while lines and (match := _BODY.match(lines[0])):
            if match[1] in seen:
                raise ValueError(f"two sections for the body {match[1]}")
            seen.add(match[1])
            bodies[match[1]] = match[2] or ""
            lines.pop(0)
        if not bodies:
            raise ValueError(f"section {len(sections) + 1} does not begin with Body: FINGERPRINT")
        sections.append(Section(bodies, _hunks(lines, next(iter(bodies)))))
    if not sections:
        raise ValueError("no section")
    return Patch(name, header, tuple(sections))


def header_of(head: str) -> dict[str, str]:
    """[controller] ``Field: text``; a line that begins with a blank goes on with the text before it."""
    header: dict[str, str] = {}
    field: Optional[str] = None
    for line in head.splitlines():
        if line[:1].isspace() and field is not None:
            header[field] = f"{header[field]} {line.strip()}"
        else:
            field, _, value = line.partition(":")
            header[field] = value.strip()
    return header


def _hunks(lines: list[str], body: str) -> tuple[Hunk, ...]:
    """Take the hunks of one section from the front of ``lines``."""
    hunks: list[Hunk] = []
    while lines and not lines[0].startswith("Body:"):
        number = f"hunk {len(hunks) + 1} for {body}"
        match = _HUNK.match(lines.pop(0))
        if match is None:
            raise ValueError(f"{number} does not begin with @@ -LINE,COUNT +LINE,COUNT @@")
        start, removed, _line, count = map(int, match.groups())
        if removed and (not lines or lines.pop(0) != f"-{removed}"):
            raise ValueError(f"{number} does not say -{removed}")
        added = [line[1:] for line in lines[:count] if line.startswith("+")]
        if len(added) != count or start < 1 or (hunks and start < hunks[-1].start + hunks[-1].removed):
            raise ValueError(f"{number} has {len(added)} of {count} added lines, or stands out of order")
        # Each gets a comment at its end, which says in a traceback that it is ours.
        if any(line.endswith("\\") or '"""' in line or "'''" in line for line in added):
            raise ValueError(f"{number} has an added line that is not one whole line of code")
        del lines[:count]
        hunks.append(Hunk(start, removed, tuple(added)))
    total = sum(len(hunk.added) for hunk in hunks)
    if not hunks or total > MOST_ADDED:
        raise ValueError(f"{total} added lines for {body}; 1 to {MOST_ADDED} are allowed")
    return tuple(hunks)
