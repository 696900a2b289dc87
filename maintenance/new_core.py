"""[maintenance] Begins the support of a new ansible-core series.

    python -m maintenance.new_core 2.22                     write what can be written, say what is left to do
    python -m maintenance.new_core 2.22 --pretend           say it only
    python -m maintenance.new_core 2.22 --no-fingerprints   without the package index: the table of fingerprints comes later

The new bundle is a member of the nearest family: the same declarations under the new name. Each symbol they name is looked up
in the newest release of both series. Where parameters changed or a symbol is gone, a member will not do, and mitopatch steps
aside for the new series until its module is a family head of its own; the command says which symbols these are.

Everything follows from mitopatch/versions/__init__.py:SUPPORTED. Run it where some ansible-core and mitogen are installed.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Optional

from packaging.version import Version

from maintenance import drift
from mitopatch import diffs, fetch, select, verdicts, versions
from mitopatch.archive import Archive
from mitopatch.declare import BODY, GONE, PARAMETERS
from mitopatch.errors import NotApplied

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "mitopatch"
TABLE = PACKAGE / "versions" / "__init__.py"
MEMBER = '''"""[controller, worker] ansible-core {series}: a member of the family of {family}, without differences for the engine."""

from __future__ import annotations

from {head} import declared

BUNDLE = declared("{series}")
'''
# requires-python in pyproject.toml
OLDEST_PYTHON = Version("3.9")
TABLE_STEPS = (
    "Where the package index can be reached: `python -m maintenance.drift {series}`, and the releases and Pythons of the row.",
    "`python -m maintenance.drift --report {base} {series}`: does {module} have to become a family head (parameters changed, gone)?",
)
HEAD_STEPS = (
    "Copy {head} whole to {module} and change the copy (never add an `if`); the family is {series} then, in the module and in its row.",
    "`python -m maintenance.drift {series}` again, until mitopatch steps aside for nothing.",
)
STEPS = (
    "Read `python -m maintenance.drift --report {base} {series}` body by body, and say in the commit why the bundle is still right: "
    "the new table of fingerprints vouches for every body that it relies on.",
    'Add "{series}" to SUPPORTED in tests/conftest.py. It is kept by hand: a package that forgot a series would agree with itself.',
    "`tox -e core{series}`, the whole suite, and `nox -s matrix-all -- --only {series}`, every release and Python.",
    "Status `tested` in the row, `nox -s matrix`, the demo's ansible-core in pyproject.toml, a line in CHANGELOG.md.",
)
PATCH_STEP = "`python -m maintenance.patches refresh {patch}`; write the sections that it cannot carry over (patches/README.md)."
_ROW = re.compile(r'^    Row\("(\d+\.\d+)".*\n', re.MULTILINE)
_WORD = re.compile(r"^(same|body changed|parameters changed|gone) +(\S+:\S+)$", re.MULTILINE)


class Plan(NamedTuple):
    """[maintenance] A new series, the nearest one that there is, and the row that the new one gets."""

    row: versions.Row
    base: versions.Row
    head: versions.Row

    @property
    def files(self) -> dict[Path, str]:
        """[maintenance] What is to be written, by path."""
        found = {
            _file(self.row): MEMBER.format(series=self.row.series, family=self.row.family, head=self.head.module),
            TABLE: with_row(TABLE.read_text(encoding="utf-8"), self.row),
        }
        patches = diffs.listed(self.base.series)
        if patches:
            # A name without a folder is a patch of the base's own folder.
            names = [name if "/" in name else f"../{self.base.series}/{name}" for name in patches]
            found[ROOT / "patches" / self.row.series / "series"] = "\n".join(names) + "\n"
        return found


class Change(NamedTuple):
    """[maintenance] What became of one symbol: the word of `maintenance.drift --report`, and what the bundle has to do with it."""

    word: str
    key: str
    declared: bool
    gated: bool

    @property
    def breaks(self) -> bool:
        """[maintenance] Does mitopatch step aside because of it, whatever the table of fingerprints says?"""
        return self.declared and self.word in (PARAMETERS, GONE)

    @property
    def line(self) -> str:
        """[maintenance] As it is printed."""
        return f"  {self.word:20}{self.key}" + ("  (the bundle relies on this body)" if self.gated and self.word == BODY else "")


class Refused(Exception):
    """[maintenance] Nothing was written; one sentence says why."""


def plan(series: str, releases: Sequence[str] = (), pythons: Sequence[str] = ()) -> Plan:
    """[maintenance] The plan for a series. What is not known of it is taken over from the nearest one. Raises Refused."""
    if not re.fullmatch(r"\d+\.\d+", series):
        raise Refused(f"{series!r} is not a series: give two numbers, for example 2.22.")
    for row in versions.SUPPORTED:
        if row.series == series:
            raise Refused(
                f"{series} is in SUPPORTED already ({row.status}): `python -m maintenance.drift {series}` reads its new releases."
            )
    base = select.nearest(Version(series))
    head = next(row for row in versions.SUPPORTED if row.series == base.family)
    row = base._replace(
        series=series,
        module=f"{versions.__name__}.v{series.replace('.', '_')}",
        pythons=tuple(python for python in pythons if Version(python) >= OLDEST_PYTHON) or base.pythons,
        oldest=releases[0] if releases else f"{series}.0",
        newest=releases[-1] if releases else f"{series}.0",
        status="preview",
    )
    if _file(row).exists():
        raise Refused(f"{_file(row).name} exists, but SUPPORTED has no row for it: add the row, or remove the file.")
    return Plan(row, base, head)


def _file(row: versions.Row) -> Path:
    return ROOT / Path(*row.module.split(".")).with_suffix(".py")


def with_row(text: str, row: versions.Row) -> str:
    """[maintenance] The text of versions/__init__.py with one more row, in its place."""
    names = ", ".join(f'"{python}"' for python in row.pythons) + ("," if len(row.pythons) == 1 else "")
    # The range of mitogen is a name there, so that it is changed in one place.
    line = f'    Row("{row.series}", "{row.module}", "{row.family}", ({names}), "{row.oldest}", "{row.newest}", MITOGEN, "{row.status}"),\n'
    rows = list(_ROW.finditer(text))
    later = [match.start() for match in rows if Version(match[1]) > Version(row.series)]
    place = later[0] if later else rows[-1].end()
    return text[:place] + line + text[place:]


def changes(base: versions.Row, series: str) -> list[Change]:
    """[maintenance] What became of the base's symbols in the newest release of the new series. Raises NotApplied, CalledProcessError."""
    declared = {item.key: item.gated for item in verdicts.declarations(select.bundle_of(base))}
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        drift.report(base.series, series)
    return [Change(word, key, key in declared, declared.get(key, False)) for word, key in _WORD.findall(out.getvalue())]


def told(found: Sequence[Change], made: Plan) -> Iterator[str]:
    """[maintenance] What the changes mean for the new bundle."""
    words = [change.word for change in found]
    yield f"{made.base.series} to {made.row.series}: " + ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))
    for change in found:
        # A wrap does not mind another body; what no declaration names was put on the list because bundles lean on it.
        if change.breaks or (change.word == BODY and (change.gated or not change.declared)):
            yield change.line
    if any(change.breaks for change in found):
        yield (
            f"{made.row.series} cannot be a plain member of the family of {made.row.family}: its module must become a family head. "
            "Until then it runs as plain Ansible."
        )


def left(found: Optional[Sequence[Change]], made: Plan) -> Iterator[str]:
    """[maintenance] The steps that remain, as CONTRIBUTING has them."""
    names = {"series": made.row.series, "base": made.base.series, "head": _file(made.head).name, "module": _file(made.row).name}
    steps = [*(TABLE_STEPS if found is None else ()), *(HEAD_STEPS if any(change.breaks for change in found or ()) else ()), STEPS[0]]
    steps += [PATCH_STEP.replace("{patch}", Path(name).stem) for name in diffs.listed(made.base.series)]
    for step in [*steps, *STEPS[1:]]:
        yield step.format(**names)


def chores(series: str, fingerprints: bool) -> Iterator[list[str]]:
    """[maintenance] The commands that write what follows from the new row; each in a process that has read it."""
    if fingerprints:
        yield ["maintenance.drift", series]
    yield ["maintenance.readme"]
    yield ["maintenance.environments"]


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """[maintenance] The command. Returns 2 if nothing was written, 1 if a part could not be."""
    parser = argparse.ArgumentParser(prog="maintenance.new_core", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("series", help="for example 2.22")
    parser.add_argument("--pretend", action="store_true", help="write nothing")
    parser.add_argument("--no-fingerprints", action="store_true", help="do without the package index")
    options = parser.parse_args(arguments)
    found: Optional[list[Change]] = None
    try:
        made = plan(options.series)
        if not options.no_fingerprints:
            releases = drift.releases(options.series)
            if not releases:
                raise Refused(f"the package index has no final release of ansible-core {options.series}: --no-fingerprints does without.")
            pythons = Archive(fetch.fetch(releases[-1], drift.CACHE)).pythons
            made = plan(options.series, releases, pythons)
            found = changes(made.base, options.series)
    except (Refused, NotApplied, subprocess.CalledProcessError) as error:
        print(f"nothing was written: {error}", file=sys.stderr)
        return 2
    failed = False
    for path, text in made.files.items():
        print(f"{'would write' if options.pretend else 'written'}: {path.relative_to(ROOT)}")
        if not options.pretend:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for chore in chores(options.series, found is not None):
        print(f"{'would run' if options.pretend else 'runs'}: python -m {' '.join(chore)}", flush=True)
        if not options.pretend:
            failed |= subprocess.run([sys.executable, "-m", *chore], cwd=ROOT, check=False).returncode != 0
    if found is not None:
        print("\n".join(told(found, made)))
    print("Left to do (CONTRIBUTING.md):")
    for number, text in enumerate(left(found, made), 1):
        print(f"{number}. {text}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
