"""[maintenance] Run upstream's integration targets of a release plain and through mitopatch, and compare.

    nox -s parity -- 2.16                    the curated targets on the newest release of the series
    nox -s parity -- 2.16.7 copy file        these targets on this release
    nox -s parity -- 2.16 --all              every target that needs no network, containers or Windows
    nox -s parity -- 2.16 --check            with MITOPATCH_CHECK=1: workers and controller compare their variables

A target that passes plain must pass with mitopatch, at the second try at the latest, or be listed in maintenance/parity/known.toml;
what is listed and passes is an error as well. What plain ansible-core does is kept in .cache/parity, so that it is found out once;
--again asks it anew. The results go to docs/parity.json and .md (not with --dry or --check); logs of failures stay in .cache/parity.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import datetime
import json
import re
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

from maintenance import environments
from maintenance.parity import known, report, sandbox, surroundings, targets
from maintenance.parity.places import CACHE, ROOT, Places, mitogen_version
from mitopatch.versions import SUPPORTED

#: Seconds that a target may take at least; three times what it took plain, if that is more.
LIMIT = 600.0
PIDS = "pids"


class Run:
    """[maintenance] The targets of one release, one after the other or side by side."""

    def __init__(self, places: Places, options: argparse.Namespace) -> None:
        self.places = places
        self.options = options
        self.plain = places.place(places.plain)
        self.patched = places.place(places.patched)
        self.logs = places.folder / "logs"
        self.logs.mkdir(exist_ok=True)
        self.kept = places.folder / "plain.json"
        self.known_plain: dict[str, dict[str, Any]] = json.loads(self.kept.read_text(encoding="utf-8")) if self.kept.exists() else {}
        self.rows: dict[str, report.Row] = {}
        self.lock = threading.Lock()

    def one(self, target: str) -> None:
        """[maintenance] Run a target plain, if that is not known yet, and then patched, twice if it fails."""
        plain = self._plain(target)
        row: report.Row = {
            "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
            "plain": "pass" if plain["passed"] else "fail",
            "plain_seconds": plain["seconds"],
            "patched": "not run",
            "patched_seconds": 0.0,
            "engaged": False,
        }
        if plain["passed"] and not self.options.plain:
            row.update(self._patched(target, max(self.options.limit, 3 * plain["seconds"])))
        elif not plain["passed"]:
            row["why"] = plain["why"]
        with self.lock:
            self.rows[target] = row
            words = (row["plain"], row["patched"], "engaged" if row["engaged"] else "not engaged", row.get("why", ""))
            print(f"[{len(self.rows)}] {target}: plain {words[0]}, patched {words[1]}, {words[2]} {words[3]}", flush=True)

    def _plain(self, target: str) -> dict[str, Any]:
        found = None if self.options.again else self.known_plain.get(target)
        if found is None:
            # At the first try: what passes only sometimes says nothing about mitopatch.
            ended, log, _pids = self._run(self.plain, target, "plain", {}, self.options.limit)
            found = {"passed": ended.code == 0, "seconds": ended.seconds, "why": "" if ended.code == 0 else why(log)}
            with self.lock:
                self.known_plain[target] = found
                self.kept.write_text(json.dumps(dict(sorted(self.known_plain.items())), indent=1) + "\n", encoding="utf-8")
        return found

    def _patched(self, target: str, limit: float) -> report.Row:
        extra = {"MITOPATCH": "on", "MITOPATCH_PIDFILE": f"{sandbox.SHARED}/{PIDS}"}
        if self.options.check:
            extra["MITOPATCH_CHECK"] = "1"
        ended, log, engaged = self._run(self.patched, target, "patched", extra, limit)
        row: report.Row = {"patched": "pass", "patched_seconds": ended.seconds, "engaged": engaged}
        if ended.code != 0:
            row.update(patched="fail", why=why(log))
            ended, log, again = self._run(self.patched, target, "patched-2", extra, limit)
            row.update(
                engaged=engaged or again, patched_seconds=ended.seconds, **({"patched": "retry"} if ended.code == 0 else {"why": why(log)})
            )
        return row

    def _run(
        self, place: surroundings.Place, target: str, how: str, extra: dict[str, str], limit: float
    ) -> tuple[sandbox.Ended, Path, bool]:
        log, shared = self.logs / f"{target}.{how}.log", self.places.folder / "shared" / f"{target}.{how}"
        pids = shared / PIDS
        pids.unlink(missing_ok=True)
        ended = sandbox.run(surroundings.script(place, target, extra), shared, self.places.overlaid(), log, limit)
        if ended.code == 0:
            log.unlink()
        return ended, log, pids.exists() and pids.stat().st_size > 0


def why(log: Path) -> str:
    """[maintenance] The lines of a log that most likely tell why its target failed."""
    # The report names no directory of the machine that made it.
    text = log.read_text(encoding="utf-8", errors="replace").replace(str(ROOT), "<checkout>").replace("\0", "")
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    telling = [i for i, line in enumerate(lines) if re.search(r"fatal: |FAILED!|ERROR|Traceback|parity: stopped|AssertionError", line)]
    return " ".join(lines[telling[-1] if telling else -3 :][:4])[:200]


def release_of(word: str) -> tuple[str, str, str]:
    """[maintenance] Series, release and Python for ``2.16``, ``2.16.7`` or ``2.16.7-py312``. Raises ValueError for what is none."""
    found = environments.environment(f"core{word}")
    if found is None:
        raise ValueError(f"{word} is no supported series or release")
    release = found.row.newest if found.release.endswith(".*") else found.release
    return found.row.series, release, found.python


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """[maintenance] The command. Returns 1 if there is anything to complain of."""
    parser = argparse.ArgumentParser(prog="nox -s parity --", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("release", help="2.16, 2.16.7 or 2.16.7-py312")
    parser.add_argument("targets", nargs="*", help="names of targets; the curated ones if none is given")
    parser.add_argument("--all", action="store_true", help="every target that can be run here")
    parser.add_argument("--check", action="store_true", help="with MITOPATCH_CHECK=1")
    parser.add_argument("--again", action="store_true", help="run plain what has been run plain before")
    parser.add_argument("--plain", action="store_true", help="run nothing patched: only find out what passes plain")
    parser.add_argument("--dry", action="store_true", help="leave docs/parity.* alone")
    parser.add_argument("--jobs", type=int, default=1, help="targets side by side (default 1: several hold their clocks to the second)")
    parser.add_argument("--limit", type=float, default=LIMIT, help=f"seconds that a target may take (default {LIMIT:.0f})")
    options = parser.parse_intermixed_args(arguments)  # options between release and targets too
    missing = sandbox.missing()
    if missing:
        raise SystemExit(f"a sandbox needs {', '.join(missing)}")
    entries = known.load()
    wrong = list(known.complaints(entries, [row.series for row in SUPPORTED]))
    if wrong:
        raise SystemExit("\n".join(wrong))
    try:
        series, release, python = release_of(options.release)
    except ValueError as exc:
        raise SystemExit(str(exc)) from exc
    places = Places(release, python)
    print(places.install() if not options.plain else f"plain ansible-core {release}")
    try:
        chosen = targets.chosen(places.tree, options.targets, options.all)
    except ValueError as exc:
        raise SystemExit(str(exc)) from exc
    run = Run(places, options)
    about = {"release": release, "python": python, "mitogen": mitogen_version(places.patched)}
    keep = not (options.dry or options.check or options.plain)
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for future in concurrent.futures.as_completed([pool.submit(run.one, target) for target in chosen]):
            future.result()
            if keep:  # after each, so that a run that is interrupted has said what it found out
                report.write(ROOT / "docs", report.merged(report.read(ROOT / "docs/parity.json"), series, about, dict(run.rows)), entries)
    if options.plain:
        return 0
    return _finish(series, about, run.rows, entries, {folder.name for folder in places.tree.iterdir()})


def _finish(series: str, about: Mapping[str, Any], rows: Mapping[str, report.Row], entries: list[known.Known], existing: set[str]) -> int:
    compared = {name: row for name, row in rows.items() if row["plain"] == "pass"}
    passed = sum(row["patched"] != "fail" for row in compared.values())
    idle = [name for name, row in compared.items() if not row["engaged"]]
    print(f"\nansible-core {about['release']}: {passed} of {len(compared)} targets that pass plain pass with mitopatch;", end=" ")
    print(f"{len(rows) - len(compared)} fail plain")
    print(f"no worker was started in: {', '.join(sorted(idle)) or 'none'}")
    complaints = list(
        known.judge(entries, series, existing, {name: (row["plain"] == "pass", row["patched"] != "fail") for name, row in rows.items()})
    )
    for complaint in complaints:
        print(f"ERROR {complaint}")
    if complaints:
        print(f"logs: {CACHE / (about['release'] + '-py' + about['python']) / 'logs'}")
    return int(bool(complaints))


if __name__ == "__main__":
    sys.exit(main())
