"""[maintenance] Fingerprints of every final release of some ansible-core series, and what moved between them.

    python -m maintenance.drift 2.14 2.16            write mitopatch/versions/fingerprints.json for these series
    python -m maintenance.drift --check 2.16         compare only; exit code 1 if the file on disk differs
    python -m maintenance.drift --report 2.21 2.22   print what is same, changed, gone between the symbols of the series

Releases come from the package index that pip is set up for, are downloaded once into ``.cache/drift`` (wheel where there is
one, else sdist) and are read from the archives: no release is installed or imported. Run it with the newest Python, which
can parse every release; the fingerprints do not depend on it.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any, Optional

from packaging.version import Version

from mitopatch import fingerprint, select, versions
from mitopatch.declare import Relies, Replace

CACHE = os.path.join(".cache", "drift")
# Bodies that any bundle is likely to run or replace: fingerprinted for every series, so that a bundle can be written by
# looking them up. Symbols that the bundles declare are added to these.
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


def releases(series: str) -> list[str]:
    """[maintenance] The final releases of a series that the index lists, oldest first. Raises CalledProcessError."""
    output = subprocess.run(
        [sys.executable, "-m", "pip", "index", "versions", "ansible-core", "--ignore-requires-python"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    listed = re.search(r"Available versions:(.*)", output)
    found = [Version(text) for text in re.findall(r"[\w.]+", listed[1])] if listed else []
    wanted = [version for version in found if f"{version.major}.{version.minor}" == series]
    return [str(version) for version in sorted(wanted) if not (version.is_prerelease or version.is_postrelease)]


def archive(release: str) -> str:
    """[maintenance] The path of a release's wheel or sdist in the cache, downloaded if need be. Raises CalledProcessError."""
    os.makedirs(CACHE, exist_ok=True)

    def cached() -> Optional[str]:
        names = (f"ansible_core-{release}-py3-none-any.whl", f"ansible_core-{release}.tar.gz", f"ansible-core-{release}.tar.gz")
        return next((path for path in (os.path.join(CACHE, name) for name in names) if os.path.exists(path)), None)

    path = cached()
    if path is None:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--ignore-requires-python", "--dest", CACHE]
        wheel = subprocess.run([*pip, "--only-binary", ":all:", f"ansible-core=={release}"], check=False, capture_output=True)
        if wheel.returncode:
            subprocess.run([*pip, "--no-build-isolation", "--no-binary", ":all:", f"ansible-core=={release}"], check=True)
        path = cached()
    if path is None:
        raise FileNotFoundError(f"ansible-core {release} was downloaded under an unknown name")
    return path


class Release:
    """[maintenance] The modules of one release, read from its archive."""

    def __init__(self, path: str) -> None:
        self._members: dict[str, bytes] = {}
        for name, data in _members(path):
            self._members[name[name.index("ansible/") :]] = data
        self._files: dict[str, Optional[fingerprint.SourceFile]] = {}

    def module(self, name: str) -> Optional[fingerprint.SourceFile]:
        """[maintenance] A module's file by dotted name, None if the release does not have it."""
        if name not in self._files:
            stem = name.replace(".", "/")
            data = self._members.get(f"{stem}.py", self._members.get(f"{stem}/__init__.py"))
            self._files[name] = None if data is None else fingerprint.SourceFile(data)
        return self._files[name]


def _members(path: str) -> Iterator[tuple[str, bytes]]:
    if path.endswith(".whl"):
        with zipfile.ZipFile(path) as wheel:
            for name in wheel.namelist():
                if name.startswith("ansible/") and name.endswith(".py"):
                    yield name, wheel.read(name)
        return
    with tarfile.open(path) as sdist:
        for member in sdist.getmembers():
            file = sdist.extractfile(member) if "/lib/ansible/" in member.name and member.name.endswith(".py") else None
            if file is not None:
                yield member.name, file.read()


def symbols(series: str, table: dict[str, Any]) -> list[str]:
    """[maintenance] What to fingerprint for a series: `BASE`, what the table has already, and what the bundle replaces or relies on.

    A bundle that cannot be imported here adds nothing, and takes nothing away because the table keeps its symbols.
    """
    names = [*BASE, *(key for key, of in table.get("symbols", {}).items() if series in of)]
    for row in versions.SUPPORTED:
        if row.series == series:
            try:
                bundle = importlib.import_module(row.module).BUNDLE
            except Exception as error:
                print(f"{series}: without the bundle's own symbols ({error!r})", file=sys.stderr)
            else:
                names += [item.key for item in bundle.declarations if isinstance(item, (Relies, Replace))]
    return list(dict.fromkeys(names))


def spans(found: Sequence[tuple[str, Optional[str]]]) -> dict[str, str]:
    """[maintenance] (release, value) in order -> value: "2.16.0-2.16.4, 2.16.7". A missing value is left out."""
    runs: dict[str, list[list[str]]] = {}
    previous: Optional[str] = None
    for release, value in found:
        if value is not None:
            if value == previous:
                runs[value][-1][1:] = [release]
            else:
                runs.setdefault(value, []).append([release])
        previous = value
    return {value: ", ".join("-".join(run) for run in of) for value, of in runs.items()}


def read(series: str, table: dict[str, Any]) -> dict[str, dict[str, dict[str, str]]]:
    """[maintenance] The three tables of one series: symbols, files and signatures, each name -> value -> releases."""
    wanted = symbols(series, table)
    found: dict[str, dict[str, list[tuple[str, Optional[str]]]]] = {"symbols": {}, "files": {}, "signatures": {}}
    for name in releases(series):
        release = Release(archive(name))
        for key in wanted:
            module, _, symbol = key.partition(":")
            file = release.module(module)
            text = None if file is None else file.text(symbol)
            names = None if file is None or text is None else file.parameters(symbol)
            found["symbols"].setdefault(key, []).append((name, None if text is None else fingerprint.of_source(text)))
            found["signatures"].setdefault(key, []).append((name, None if names is None else ", ".join(names)))
            of_file = found["files"].setdefault(module, [])
            if not of_file or of_file[-1][0] != name:
                of_file.append((name, None if file is None else file.digest))
        print(f"{series}: {name} read", file=sys.stderr)
    return {kind: {key: spans(values) for key, values in table.items()} for kind, table in found.items()}


def merge(table: dict[str, Any], series: str, new: dict[str, dict[str, dict[str, str]]]) -> None:
    """[maintenance] Put one series' tables in place of what the file said about that series."""
    for kind, of in new.items():
        target = table.setdefault(kind, {})
        for key in list(target):
            target[key].pop(series, None)
        for key, values in of.items():
            if values:
                target.setdefault(key, {})[series] = values
        table[kind] = {key: dict(sorted(target[key].items())) for key in sorted(target) if target[key]}


def report(old: str, new: str) -> None:
    """[maintenance] What became of each symbol of the old series in the new one."""
    before, after = read(old, {}), read(new, {})
    for key, values in before["symbols"].items():
        now = after["symbols"].get(key, {})
        if not now:
            verdict = "gone"
        elif list(now)[-1] in values:
            verdict = "same"
        elif list(before["signatures"][key])[-1:] == list(after["signatures"].get(key, {}))[-1:]:
            verdict = "body changed"
        else:
            verdict = "parameters changed"
        print(f"{verdict:20}{key}")


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """[maintenance] The command. Returns 1 if --check finds a difference."""
    parser = argparse.ArgumentParser(prog="maintenance.drift", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("series", nargs="+")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--report", action="store_true")
    options = parser.parse_args(arguments)
    if options.report:
        report(*options.series)
        return 0
    path = select.FINGERPRINTS
    text = ""
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            text = file.read()
    table = json.loads(text) if text else {}
    table["about"] = "written by python -m maintenance.drift; see mitopatch/fingerprint.py for what the values are"
    for series in options.series:
        merge(table, series, read(series, table))
    new = json.dumps({"about": table.pop("about"), **{kind: table[kind] for kind in ("symbols", "signatures", "files")}}, indent=1) + "\n"
    if options.check:
        print("up to date" if new == text else f"{path} is out of date: run python -m maintenance.drift {' '.join(options.series)}")
        return int(new != text)
    with open(path, "w", encoding="utf-8") as file:
        file.write(new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
