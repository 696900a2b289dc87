"""[maintenance] What every final release of ansible-core, and of Mitogen, has in place of the symbols that mitopatch builds on.

    python -m maintenance.drift                      read all releases of all supported series, write the tables
    python -m maintenance.drift 2.21 2.22            the same for these series only
    python -m maintenance.drift mitogen              the same for Mitogen: mitopatch/targets/relied_on.py lists the symbols
    python -m maintenance.drift --check              compare only; exit code 1 if a table on disk differs
    python -m maintenance.drift --report 2.21 2.22   from one series (its newest release) or release to another: same, body
                                                     changed, parameters changed or gone for each symbol, with the difference
    python -m maintenance.drift --report mitogen 0.3.54 0.3.55

A table is mitopatch/versions/fingerprints/SERIES.json; "aside" in it names the releases that the bundle would refuse, and why.
Releases come from the package index that pip is set up for, are kept in ``.cache/drift`` and are read from their archives:
none is installed or imported. Run it with the newest Python, which can parse every release (the fingerprints do not depend on
it), where some ansible-core and mitogen are installed, because the bundles import them. Upstream's text is printed, never kept.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import difflib
import functools
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Optional, cast

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from mitopatch import fetch, fingerprint, mitogen_release, select, verdicts, versions
from mitopatch.archive import Archive, MitogenArchive
from mitopatch.declare import BODY, GONE, PARAMETERS, Declaration
from mitopatch.errors import NotApplied
from mitopatch.lookup import Found, Lookup
from mitopatch.targets.relied_on import RELIED_ON

CACHE = os.path.join(".cache", "drift")
AT_ONCE = 4
#: Stands for Mitogen where a series of ansible-core may stand.
MITOGEN = "mitogen"
ABOUT = "written by python -m maintenance.drift; mitopatch/fingerprint.py says what the values are"
# Bodies that a bundle is likely to run or replace: in every table, so that one can be written by looking them up.
BASE: tuple[str, ...] = (
    "ansible.executor.process.worker:WorkerProcess.__init__",
    "ansible.executor.process.worker:WorkerProcess._run",
    "ansible.executor.process.worker:WorkerProcess.run",
    "ansible.plugins.strategy:StrategyBase._queue_task",
    "ansible.plugins.strategy:StrategyBase._wait_on_pending_results",
    "ansible.plugins.strategy:results_thread_main",
    "ansible.plugins.strategy:StrategyBase._execute_meta",
    "ansible.executor.task_queue_manager:TaskQueueManager._cleanup_processes",
    "ansible.executor.task_queue_manager:FinalQueue",
    "ansible.vars.manager:VariableManager.get_vars",
    "ansible.vars.manager:VariableManager.__init__",
    "ansible.plugins.strategy.free:StrategyModule.run",
    "ansible.plugins.strategy.linear:StrategyModule.run",
)
Values = dict[str, str]
Table = dict[str, Any]


@functools.cache
def index(package: str = "ansible-core") -> tuple[Version, ...]:
    """[maintenance] The final releases that the package index lists, oldest first. Raises CalledProcessError."""
    output = subprocess.run(
        [sys.executable, "-m", "pip", "index", "versions", package, "--ignore-requires-python"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    listed = re.search(r"Available versions:(.*)", output)
    found = [Version(text) for text in re.findall(r"[\w.]+", listed[1])] if listed else []
    return tuple(sorted(version for version in found if not (version.is_prerelease or version.is_postrelease)))


def releases(series: str) -> list[str]:
    """[maintenance] The final releases of a series, oldest first; of Mitogen, those that may stand beside mitopatch."""
    if series == MITOGEN:
        return [str(version) for version in index(MITOGEN) if version in SpecifierSet(versions.MITOGEN)]
    return [str(version) for version in index() if f"{version.major}.{version.minor}" == series]


def opened(names: Iterable[str], package: str = "ansible-core") -> Iterable[Lookup]:
    """[maintenance] Each release, downloaded if need be: a few at once ahead of what is read. Raises NotApplied."""
    kind = MitogenArchive if package == MITOGEN else Archive
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for path in pool.map(lambda name: fetch.fetch(name, CACHE, package), names):
            yield Lookup(kind(path))


def looked_up(lookup: Lookup, key: str) -> Optional[Found]:
    """[maintenance] A symbol of a release, None if it is gone."""
    try:
        return lookup.find(*key.split(":"))
    except LookupError:
        return None


def spans(found: Sequence[tuple[str, Optional[str]]]) -> Values:
    """[maintenance] (release, value) in order -> value: "2.16.0-2.16.4, 2.16.7". A gap in either ends a span."""
    runs: dict[str, list[list[str]]] = {}
    previous: tuple[Optional[str], int] = (None, -1)
    for release, value in found:
        patch = Version(release).micro
        if value is not None:
            if previous == (value, patch - 1):
                runs[value][-1][1:] = [release]
            else:
                runs.setdefault(value, []).append([release])
        previous = (value, patch)
    return {value: ", ".join("-".join(run) for run in of) for value, of in runs.items()}


def read(series: str, declarations: Sequence[Declaration]) -> Table:
    """[maintenance] The table of one series. Raises NotApplied if a release cannot be had or read."""
    gated = [*BASE, *(item.key for item in declarations if item.gated)]
    keys = sorted({*gated, *(item.key for item in declarations)})
    table, lookups = values(series, opened(releases(series)), keys, sorted({key.partition(":")[0] for key in gated}))
    known = fingerprint.Known(table["symbols"], table["files"])
    aside: dict[str, list[tuple[str, Optional[str]]]] = {}
    for lookup in lookups:
        for refusal in refusals(declarations, known, lookup):
            aside.setdefault(refusal, []).append((lookup.archive.release, "all"))
    table["aside"] = {refusal: spans(of)["all"] for refusal, of in aside.items()}
    return table


def read_mitogen() -> Table:
    """[maintenance] The table of Mitogen's releases. Raises NotApplied if a release cannot be had or read.

    A file that is known vouches for all symbols in it. So no file is, of a release that lacks one of them, or has it by inheritance
    or import from another file.
    """
    keys = sorted(item.key for item in RELIED_ON)
    aside: dict[str, list[tuple[str, Optional[str]]]] = {}

    def vouches(lookup: Lookup, module: str) -> bool:
        missing = [(key, where(lookup, key)) for key in keys if key.startswith(f"{module}:") and where(lookup, key) != key]
        for key, place in missing:
            aside.setdefault(f"{key} {f'is {place}' if place else GONE}", []).append((lookup.archive.release, "all"))
        return not missing

    modules = sorted({item.module for item in RELIED_ON})
    table, _lookups = values(MITOGEN, opened(releases(MITOGEN), MITOGEN), keys, modules, vouches)
    table["aside"] = {refusal: spans(of)["all"] for refusal, of in aside.items()}
    return table


def where(lookup: Lookup, key: str) -> str:
    """[maintenance] The key of the place that defines a symbol, '' if it is gone; what comes from outside of the release is its own."""
    try:
        place = lookup.defined(*key.split(":"))
    except LookupError:
        return ""
    return key if place.startswith("outside:") else place


def values(
    series: str,
    opened_releases: Iterable[Lookup],
    keys: Sequence[str],
    modules: Sequence[str],
    vouches: Callable[[Lookup, str], bool] = lambda lookup, module: True,
) -> tuple[Table, list[Lookup]]:
    """[maintenance] A table with nothing in "aside" yet, and the releases that it is made of. Raises NotApplied as `Lookup.find`.

    ``vouches``: whether a module's file, once it is known, speaks for all symbols that are listed under it.
    """
    found: dict[str, dict[str, list[tuple[str, Optional[str]]]]] = {
        kind: {name: [] for name in names} for kind, names in (("symbols", keys), ("parameters", keys), ("files", modules))
    }
    pythons: list[tuple[str, Optional[str]]] = []
    lookups = []
    for lookup in opened_releases:
        name = lookup.archive.release
        lookups.append(lookup)
        pythons.append((name, ", ".join(cast(Archive, lookup.archive).pythons)))
        for key in keys:
            symbol = looked_up(lookup, key)
            parameters = None if symbol is None or symbol.parameters is None else ", ".join(symbol.parameters)
            found["symbols"][key].append((name, None if symbol is None else symbol.mark))
            found["parameters"][key].append((name, parameters))
        for module in modules:
            file = lookup.archive.module(module)
            found["files"][module].append((name, file.digest if file is not None and vouches(lookup, module) else None))
        print(f"{series}: {name} read", file=sys.stderr)
    made = {kind: {name: spans(of) for name, of in rows.items() if any(value for _, value in of)} for kind, rows in found.items()}
    about = {"about": ABOUT, "releases": spans([(name, "all") for name, _ in pythons]).get("all", ""), "pythons": spans(pythons)}
    return {**about, "aside": {}, **made}, lookups


def refusals(declarations: Sequence[Declaration], known: fingerprint.Known, lookup: Lookup) -> list[str]:
    """[maintenance] Why the bundle steps aside for a release: symbols, each with the verdict. Empty if it does not."""
    return [f"{item.declaration.key} {item.word}" for item in verdicts.of_release(declarations, known, lookup) if item.reason]


def written(table: Table) -> str:
    """[maintenance] The text of a table: JSON, one line a symbol."""
    parts = []
    for name, value in table.items():
        lines = [f"  {json.dumps(key)}: {json.dumps(of)}" for key, of in value.items()] if isinstance(value, dict) else []
        parts.append(f' "{name}": ' + ("{\n" + ",\n".join(lines) + "\n }" if lines else json.dumps(value)))
    return "{\n" + ",\n".join(parts) + "\n}\n"


def update(series: Sequence[str], check: bool) -> int:
    """[maintenance] Write the tables, or compare only. Returns how many differ from what is on disk when only compared."""
    different = 0
    for name in series:
        path = os.path.join(select.FINGERPRINTS, mitogen_release.TABLE if name == MITOGEN else f"{name}.json")
        row = next((row for row in versions.SUPPORTED if row.series == name), None)
        if name == MITOGEN:
            table = read_mitogen()
        else:
            table = read(name, verdicts.declarations(select.bundle_of(row or select.nearest(Version(name)))))
            if row is None:
                print(f"{name} has no bundle yet: its table has the symbols of the nearest one")
                table["aside"] = {}
        text = written(table)
        old = ""
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                old = file.read()
        print(f"{name}: {table['releases']}, {'as on disk' if old == text else 'not as on disk' if check else 'written'}")
        for refusal, of in table["aside"].items():
            print(f"  mitopatch steps aside for {of}: {refusal}")
        later = [found for found in releases(name) if row is not None and Version(found) > Version(row.newest)]
        if later:
            print(f"  {', '.join(later)}: later than the newest release in SUPPORTED")
        different += check and old != text
        if not check and old != text:
            os.makedirs(select.FINGERPRINTS, exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
    return different


def report(old: str, new: str, package: str = "ansible-core") -> None:
    """[maintenance] Print what became of each symbol of the old series or release in the new one, with the difference of the bodies."""
    before, after = opened([releases(name)[-1] if name.count(".") == 1 else name for name in (old, new)], package)
    names = (f"{package} {before.archive.release}", f"{package} {after.archive.release}")
    if package == MITOGEN:
        keys = sorted(item.key for item in RELIED_ON)
    else:
        bundle = select.bundle_of(select.nearest(Version(".".join(old.split(".")[:2]))))
        keys = sorted({*BASE, *(item.key for item in verdicts.declarations(bundle))})
    counts: dict[str, int] = {}
    for key in keys:
        one, other = looked_up(before, key), looked_up(after, key)
        word = verdicts.between(one, other)
        counts[word] = counts.get(word, 0) + 1
        print(f"{word:20}{key}")
        if word in (BODY, PARAMETERS):
            texts = [fingerprint.normalise(found.text).split("\n") if found and found.text else [] for found in (one, other)]
            for line in difflib.unified_diff(texts[0], texts[1], names[0], names[1], lineterm=""):
                print(f"    {line}")
    print(f"{' to '.join(names)}: " + ", ".join(f"{count} {word}" for word, count in counts.items()))


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """[maintenance] The command. Returns 1 if --check finds a difference, 2 if a release cannot be had or read."""
    parser = argparse.ArgumentParser(prog="maintenance.drift", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("series", nargs="*", help="for example 2.16, or mitogen; Mitogen and all supported series if none is given")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--report", action="store_true")
    options = parser.parse_args(arguments)
    package = MITOGEN if options.report and options.series[:1] == [MITOGEN] else "ansible-core"
    compared = options.series[package == MITOGEN :]
    if options.report and len(compared) != 2:
        parser.error("--report takes two series or releases")
    try:
        if options.report:
            report(compared[0], compared[1], package)
            return 0
        return int(update(options.series or [MITOGEN, *(row.series for row in versions.SUPPORTED)], options.check) > 0)
    except NotApplied as refused:
        print(refused.reason.text, file=sys.stderr)
        return 2
    except subprocess.CalledProcessError:  # pip has said why
        return 2


if __name__ == "__main__":
    sys.exit(main())
