"""[maintenance] The source patches held against every final release of the series that use them; and making their sections.

    python -m maintenance.patches                               check all: exit code 1 if a release's body has no section
    python -m maintenance.patches body free-run 2.16.3          print upstream's function, to be edited in a file
    python -m maintenance.patches edit free-run 2.16.3 FILE     make the section for that body from the edited function
    python -m maintenance.patches refresh free-run              carry the hunks over to the bodies that have no section yet

`edit` and `refresh` write the patch file; `refresh` also puts the releases right that each body is said to be from. A hunk is
carried over only where the lines it takes away, and one line before and after them, are the same in both bodies. What cannot be
carried is named, and is yours to edit. Read the result with `git diff` and `mitopatch show --diff`.
"""

from __future__ import annotations

import argparse
import difflib
import os
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Optional

from maintenance import drift
from mitopatch import body, diffs
from mitopatch.body import Body
from mitopatch.diffs import Hunk, Patch, Section
from mitopatch.lookup import Lookup


class Seen(NamedTuple):
    """[maintenance] One body of a patched function, and the releases that have it, oldest first."""

    body: Body
    releases: list[str]


class Function(NamedTuple):
    """[maintenance] A patched function in all releases: its bodies by fingerprint, and the releases that do not have it."""

    bodies: dict[str, Seen]
    without: list[str]


def users() -> dict[str, list[str]]:
    """[maintenance] Path of each patch file -> the series that name it, in order."""
    found: dict[str, list[str]] = {}
    folders = [name for name in os.listdir(diffs.folder()) if os.path.exists(os.path.join(diffs.folder(), name, "series"))]
    for series in sorted(folders, key=lambda name: [int(part) for part in name.split(".")]):
        for name in diffs.listed(series):
            found.setdefault(os.path.normpath(os.path.join(diffs.folder(), series, name)), []).append(series)
    return found


def functions(wanted: Mapping[str, Sequence[str]]) -> dict[str, Function]:
    """[maintenance] Each target ``module:Symbol`` in all releases of the series that are given for it."""
    found = {target: Function({}, []) for target in wanted}
    for series in dict.fromkeys(name for names in wanted.values() for name in names):
        for lookup in drift.opened(drift.releases(series)):
            name = lookup.archive.release
            for target in (target for target in wanted if series in wanted[target]):
                here = _body(lookup, target)
                if here is None:
                    found[target].without.append(name)
                else:
                    found[target].bodies.setdefault(here.fingerprint, Seen(here, [])).releases.append(name)
    return found


def _body(lookup: Lookup, target: str) -> Optional[Body]:
    found = drift.looked_up(lookup, target)
    return None if found is None or found.text is None else body.from_text(found.text)


def spans(releases: Sequence[str], everything: Sequence[str]) -> str:
    """[maintenance] "2.16.0-2.16.5, 2.17.0": runs that are without a gap inside a series."""
    return ", ".join(drift.spans([(release, "x" if release in releases else None) for release in everything]).values())


def check(patch: Patch, function: Function) -> list[str]:
    """[maintenance] What is wrong with one patch, as sentences; none if each body has a section that fits and compiles."""
    wrong = [f"{patch.name}: {release} has no {patch.header['Target']}" for release in function.without]
    for known, seen in function.bodies.items():
        where = f"{patch.name}: {', '.join(seen.releases)}:"
        if known not in patch.fingerprints:
            wrong.append(f"{where} no section for {known}")
            continue
        text = "\n".join(line.text for line in patch.apply(seen.body)) + "\n"
        try:
            compile("if 1:\n" + text if text[0].isspace() else text, patch.name, "exec", dont_inherit=True)
        except SyntaxError as error:
            wrong.append(f"{where} {error}")
    return wrong + [f"{patch.name}: {known} is the body of no release" for known in patch.fingerprints if known not in function.bodies]


def carried(section: Section, old: Body, new: Body) -> Optional[Section]:
    """[maintenance] The hunks of a section at their places in another body, None if one has no sure place there."""
    before, after = old.normal, new.normal
    same: dict[int, int] = {}
    for block in difflib.SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks():
        same.update({block.a + step: block.b + step for step in range(block.size)})
    hunks = []
    for hunk in section.hunks:
        # The line before, those that go (or the one that an insertion stands before), the line after.
        around = range(hunk.start - 2, hunk.start - 1 + max(hunk.removed, 1) + (1 if hunk.removed else 0))
        places = [same.get(line) for line in around]
        first = places[0]
        if first is None or places != list(range(first, first + len(places))):
            return None
        hunks.append(hunk._replace(start=first + 2))
    return Section({new.fingerprint: ""}, tuple(hunks))


def refreshed(patch: Patch, bodies: Mapping[str, Seen]) -> tuple[list[Section], list[str]]:
    """[maintenance] A section for each body, with its releases, oldest first; and the bodies to which nothing could be carried."""
    everything = sorted((release for seen in bodies.values() for release in seen.releases), key=_numbers)
    made: dict[str, tuple[Hunk, ...]] = {}
    for known, seen in bodies.items():
        section = patch.fingerprints.get(known) or _nearest(patch, bodies, seen)
        if section is not None:
            made[known] = section.hunks
    sections: list[Section] = []
    for known in sorted(made, key=lambda known: everything.index(bodies[known].releases[0])):
        runs = drift.spans([(release, "x") for release in bodies[known].releases])
        same = next((section for section in sections if section.hunks == made[known]), None)
        if same is None:
            sections.append(same := Section({}, made[known]))
        same.bodies[known] = runs["x"]
    return sections, [f"{known} ({', '.join(bodies[known].releases)})" for known in bodies if known not in made]


def _nearest(patch: Patch, bodies: Mapping[str, Seen], seen: Seen) -> Optional[Section]:
    """The section carried over from the body nearest by release, of those from which it can be."""
    first = _numbers(seen.releases[0])
    known = [old for old in patch.fingerprints if old in bodies]
    known.sort(key=lambda old: [abs(mine - other) for mine, other in zip(first, _numbers(bodies[old].releases[0]))])
    tries = (carried(patch.fingerprints[old], bodies[old].body, seen.body) for old in known)
    return next(filter(None, tries), None)


def _numbers(release: str) -> list[int]:
    return [int(part) for part in release.split(".")]


def edited(old: Body, text: str) -> tuple[Hunk, ...]:
    """[maintenance] The hunks that turn a body into the edited text, whose comments are left out."""
    before, after = old.normal, body.from_text(text).normal
    steps = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    return tuple(Hunk(a + 1, b - a, tuple(after[c:d])) for step, a, b, c, d in steps if step != "equal")


def written(header: str, sections: Sequence[Section]) -> str:
    """[maintenance] The text of a patch file."""
    lines = [header.rstrip("\n"), "---"]
    for section in sections:
        lines += [f"Body: {known} {releases}".rstrip() for known, releases in section.bodies.items()]
        moved = 0
        for hunk in section.hunks:
            lines.append(f"@@ -{hunk.start},{hunk.removed} +{hunk.start + moved},{len(hunk.added)} @@")
            lines += [f"-{hunk.removed}"] if hunk.removed else []
            lines += [f"+{text}" for text in hunk.added]
            moved += len(hunk.added) - hunk.removed
    return "\n".join(lines) + "\n"


def _read(path: str) -> Patch:
    with open(path, encoding="utf-8") as file:
        return diffs.parse(os.path.basename(path), file.read())


def _check_all() -> int:
    patches = [(_read(path), series) for path, series in users().items()]
    found = functions({patch.header["Target"]: series for patch, series in patches})
    wrong = []
    for patch, series in patches:
        function = found[patch.header["Target"]]
        wrong += check(patch, function)
        releases = sum(len(seen.releases) for seen in function.bodies.values())
        print(f"{patch.name}: {len(function.bodies)} bodies in {releases} releases of {', '.join(series)}")
    print("\n".join(wrong) if wrong else "each release is covered")
    return int(bool(wrong))


def _refresh(path: str, series: Sequence[str]) -> int:
    patch = _read(path)
    target = patch.header["Target"]
    sections, lost = refreshed(patch, functions({target: series})[target].bodies)
    _write(path, sections)
    for problem in lost:
        print(f"left out: {problem}", file=sys.stderr)
    return int(bool(lost))


def _edit(path: str, old: Body, release: str, text: str) -> int:
    with open(path, encoding="utf-8") as file:
        known = diffs.parse(os.path.basename(path), whole).sections if "\nBody:" in (whole := file.read()) else ()
    kept = [Section({key: of for key, of in one.bodies.items() if key != old.fingerprint}, one.hunks) for one in known]
    _write(path, [*(one for one in kept if one.bodies), Section({old.fingerprint: release}, edited(old, text))])
    return 0


def _write(path: str, sections: Sequence[Section]) -> None:
    with open(path, encoding="utf-8") as file:
        header = file.read().partition("\n---")[0]
    text = written(header, sections)
    diffs.parse(os.path.basename(path), text)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """[maintenance] The command. Returns 1 if a body is without a section."""
    parser = argparse.ArgumentParser(prog="maintenance.patches", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for command in ("body", "edit", "refresh"):
        sub = commands.add_parser(command)
        sub.add_argument("patch", metavar="PATCH")
        if command != "refresh":
            sub.add_argument("release", metavar="RELEASE")
        if command == "edit":
            sub.add_argument("file", metavar="FILE", type=argparse.FileType(encoding="utf-8"))
    options = parser.parse_args(arguments)
    if options.command is None:
        return _check_all()
    named = [(path, series) for path, series in users().items() if os.path.basename(path) in (options.patch, f"{options.patch}.patch")]
    if not named:
        parser.error(f"no series file names {options.patch}")
    path, series = named[0]
    if options.command == "refresh":
        return _refresh(path, series)
    with open(path, encoding="utf-8") as file:
        target = diffs.header_of(file.read().partition("\n---")[0])["Target"]
    old = _body(next(iter(drift.opened([options.release]))), target)
    if old is None:
        parser.error(f"ansible-core {options.release} has no {target}")
    if options.command == "edit":
        return _edit(path, old, options.release, options.file.read())
    print("\n".join(old.lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
