"""[maintenance] Writes docs/compatibility.md and .json from the results of the matrix: nothing in them is claimed by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

from maintenance import environments
from mitopatch import __version__
from mitopatch.versions import SUPPORTED, Row

Results = Mapping[str, Optional[dict[str, Any]]]
HEAD = """\
# Compatibility

Written by `nox -s matrix-all`, not by hand. Each release was installed in an environment of its own, which proved that it was
that release, that its bundle was chosen and that every patch was in force in a run; then it ran the contract of the bundle
(import, apply, apply again, undo, apply anew, in every order) and one playbook plain and patched, on localhost and over ssh,
with the linear and the free strategy. Events, output, exit code and files had to be the same.
The newest release of a series ran on each of its Pythons, the others on the one named first.
"""


def spans(releases: Sequence[str]) -> str:
    """[maintenance] 2.16.0, 2.16.1, 2.16.3 -> "2.16.0 to 2.16.1, 2.16.3"; the releases of one series in order."""
    runs: list[list[str]] = []
    for release in releases:
        if runs and _patch(release) == _patch(runs[-1][-1]) + 1:
            runs[-1][1:] = [release]
        else:
            runs.append([release])
    return ", ".join(" to ".join(run) for run in runs)


def _patch(release: str) -> int:
    return int(release.rpartition(".")[2])


def page(results: Results, version: str) -> str:
    """[maintenance] The text of compatibility.md, for this version of mitopatch."""
    dates = sorted({found["date"] for found in results.values() if found})
    own = {name: found for name, found in results.items() if "-py" not in name}
    passed = sum(found is not None and found["result"] == "passed" for found in own.values())
    lines = [
        HEAD,
        f"mitopatch {version}, run on {' to '.join(dict.fromkeys([dates[0], dates[-1]])) if dates else 'no day yet'}: "
        f"{passed} of {len(own)} releases passed.",
        "",
        "| series | releases that passed | number | Pythons |",
        "|---|---|---|---|",
    ]
    for row in SUPPORTED:
        good = [one for one in environments.releases(row) if _result(results.get(f"core{one}")) == "passed"]
        versions = [version for version in environments.pythons(row) if _result(results.get(_name(row.newest, version, row))) == "passed"]
        total = len(environments.releases(row))
        lines.append(f"| {row.series} | {spans(good) or 'none'} | {len(good)} of {total} | {', '.join(versions) or 'none'} |")
    lines += ["", "## Exceptions", ""]
    exceptions = list(_exceptions(results))
    lines += exceptions or ["None: every release and every Python of the matrix passed."]
    return "\n".join(lines) + "\n"


def _name(release: str, python: str, row: Row) -> str:
    return f"core{release}" + ("" if python == environments.python(row) else f"-py{python.replace('.', '')}")


def _result(found: Optional[dict[str, Any]]) -> str:
    return found["result"] if found else "not run"


def _exceptions(results: Results) -> list[str]:
    """One line for releases of a series that have the same to say, in the order of the matrix."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for one, found in _pairs(results):
        if _result(found) != "passed":
            why = (found or {}).get("code") or (found or {}).get("why")
            words = _result(found) + (f" ({why})" if why else "")
            groups.setdefault((one.row.series, one.python, words), []).append(one.release)
    return [f"- {spans(releases)} on Python {python}: {words}" for (_series, python, words), releases in groups.items()]


def write(folder: Path, state: str, results: Results) -> None:
    """[maintenance] Write both files."""
    (folder / "compatibility.md").write_text(page(results, __version__), encoding="utf-8")
    about = "written by nox -s matrix-all; seconds are those of one environment, others running beside it"
    rows = [found if found else {"release": one.release, "python": one.python, "result": "not run"} for one, found in _pairs(results)]
    table = {"about": about, "mitopatch": __version__, "sources": state, "results": rows}
    (folder / "compatibility.json").write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


def _pairs(results: Results) -> list[tuple[environments.Environment, Optional[dict[str, Any]]]]:
    found = [(environments.environment(name), result) for name, result in results.items()]
    return [(one, result) for one, result in found if one is not None]
