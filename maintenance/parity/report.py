"""[maintenance] docs/parity.json and docs/parity.md, written from what was run: nothing in them is claimed by hand.

A run of some targets renews the rows of these and leaves the others, each with the day it was run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from maintenance.parity.known import Known

Row = dict[str, Any]
Table = dict[str, Any]

HEAD = """\
# Parity with ansible-core's own integration targets

Written by `nox -s parity`, not by hand (CONTRIBUTING.md says how to run it). Upstream's targets come from the sdist of the release,
unedited. Each runs in a throw-away copy of a machine, without mitopatch and then with it (`MITOPATCH=on`). What fails without is not
compared: it wants something that the sandbox does not have. *Engaged*: workers of mitopatch were started in the run.
"""


def read(path: Path) -> Table:
    """[maintenance] The table of an earlier run; an empty one if there is none."""
    try:
        found: Table = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return found


def merged(table: Table, series: str, about: Mapping[str, Any], rows: Mapping[str, Row]) -> Table:
    """[maintenance] The table with the rows of a run in it. Another release or Python of the series begins anew."""
    old = table.get(series, {})
    same = all(old.get(key) == about[key] for key in ("release", "python"))
    targets = {**(old.get("targets", {}) if same else {}), **rows}
    found = {**table, series: {**about, "targets": dict(sorted(targets.items()))}}
    return dict(sorted(found.items(), key=lambda item: tuple(map(int, item[0].split(".")))))


def page(table: Table, known: list[Known]) -> str:
    """[maintenance] The text of parity.md."""
    lines = [
        HEAD,
        "| series | release | Python | Mitogen | run on | pass plain | of these pass patched | engaged | seconds plain | patched |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [_summary(series, run) for series, run in table.items()]
    lines += [
        "",
        "Seconds are sums over the targets that pass both ways, on a machine with other work beside; many targets are made of waiting.",
    ]
    lines += ["", "## Fail with mitopatch", ""]
    lines += list(_failures(table, known)) or ["None."]
    lines += ["", "## Not compared, since they do not pass without mitopatch in the sandbox", ""]
    for series, run in table.items():
        names = [name for name, row in run["targets"].items() if row["plain"] != "pass"]
        lines.append(f"- {series}: {', '.join(names) or 'none'}")
    lines += [
        "",
        "## Pass without a worker",
        "",
        "They call programs that run no task, or run their tasks on routes that need no worker.",
        "",
    ]
    for series, run in table.items():
        names = [name for name, row in run["targets"].items() if row["plain"] == "pass" and not row["engaged"]]
        lines.append(f"- {series}: {', '.join(names) or 'none'}")
    lines += ["", "## Compared", ""]
    for series, run in table.items():
        lines.append(f"- {series}: {', '.join(name for name, row in run['targets'].items() if row['plain'] == 'pass')}")
    return "\n".join(lines) + "\n"


def _summary(series: str, run: Mapping[str, Any]) -> str:
    rows = [row for row in run["targets"].values() if row["plain"] == "pass"]
    both = [row for row in rows if row["patched"] == "pass"]
    days = sorted({row["date"] for row in run["targets"].values()})
    cells = (
        series, run["release"], run["python"], run["mitogen"], " to ".join(dict.fromkeys((days[0], days[-1]))) if days else "",
        str(len(rows)), str(sum(row["patched"] in ("pass", "retry") for row in rows)), str(sum(row["engaged"] for row in rows)),
        f"{sum(row['plain_seconds'] for row in both):.0f}", f"{sum(row['patched_seconds'] for row in both):.0f}",
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _failures(table: Table, known: list[Known]) -> Iterator[str]:
    for series, run in table.items():
        for name, row in run["targets"].items():
            if row["plain"] == "pass" and row["patched"] == "fail":
                entry = next((one for one in known if one.target == name and series in one.series), None)
                yield f"- {series} {name}: {f'{entry.reason} {entry.note}' if entry else row['why']}"
            elif row["plain"] == "pass" and row["patched"] == "retry":
                yield f"- {series} {name}: passed at the second try only"


def write(folder: Path, table: Table, known: list[Known]) -> None:
    """[maintenance] Write both files."""
    (folder / "parity.json").write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    (folder / "parity.md").write_text(page(table, known), encoding="utf-8")
