"""docs/performance.md and docs/performance.svg, from the newest record of each workload and series: nothing is claimed by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from . import chart, figures
from .workload import ARMS, MITOGEN, MITOPATCH, PLAIN, Figure, Workload
from .workloads import WORKLOADS

RESULTS = Path(__file__).parent / "results"
DOCS = Path(__file__).parent.parent.parent / "docs"
PAGE = DOCS / "performance.md"
CHART = DOCS / "performance.svg"
OTHERS = (PLAIN, MITOGEN)
HEAD = """\
# Measured

Written by `nox -s bench`, not by hand; the raw figures of every run are in tests/bench/results. Plain ansible-core with pipelining
and ControlPersist, `mitogen_linear` of the installed Mitogen, and mitopatch take turns, and a run counts only if its result is right:
exit code, every host-task ok, and the same events as the other arms; between plain and mitopatch also output, warnings and files.
CPU and memory are those of the whole tree of processes below `ansible-playbook`, ssh clients and daemons included, sshd and
ssh targets not; memory is the peak PSS of the moments looked at. Figures are medians, with quartiles in brackets. A slope is
what one unit more costs, without start-up. Ratios say how many times as much as mitopatch another arm needs: below 1, mitopatch loses.
The first run of mitopatch fills its cache, the later ones of the same workload find it there.

![ratios](performance.svg)
"""
DEBOPS = """\
## DebOps

DebOps' `common.yml` on 1, 4 and 16 Debian chroots is measured by `nox -s real -- debops --bench 1,4,16`: real-content.md.
"""
Arms = dict[str, Optional[dict[str, float]]]


@dataclass
class Entry:
    """The newest record of one workload and one series."""

    name: str
    series: str
    about: dict[str, Any]
    """Of the whole file: versions, machine, commit."""
    found: dict[str, Any]
    """Of the workload: date, load before, runs."""

    @property
    def workload(self) -> Workload:
        """What was run."""
        return WORKLOADS[self.name]

    def table(self) -> dict[str, Arms]:
        """The figures, as spreads."""
        return dict(figures.table(self.workload, self.found["runs"]))


def newest(folder: Path = RESULTS) -> list[Entry]:
    """Return the newest record in which all arms ran, of each workload and series, in the order of the table of workloads."""
    kept: dict[tuple[str, str], Entry] = {}
    for path in sorted(folder.glob("*.json")):
        about = json.loads(path.read_text(encoding="utf-8"))
        series = ".".join(about["versions"]["ansible-core"].split(".")[:2])
        for name, found in about["results"].items():
            wanted = {arm for size in WORKLOADS[name].sizes for arm in size.arms} if name in WORKLOADS else set()
            if wanted and wanted <= {run["arm"] for run in found["runs"]}:
                entry = Entry(name, series, about, found)
                old = kept.get((name, series))
                if old is None or old.found["date"] <= found["date"]:
                    kept[name, series] = entry
    order = list(WORKLOADS)
    return sorted(kept.values(), key=lambda entry: (order.index(entry.name), tuple(map(int, entry.series.split(".")))))


def number(value: float) -> str:
    """Three digits that count; whole numbers from a hundred on."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def spread(found: Optional[dict[str, float]]) -> str:
    """A median with its quartiles, or nothing."""
    if not found:
        return ""
    if found["rounds"] < 2:
        return number(found["median"])
    return f"{number(found['median'])} ({number(found['q1'])}-{number(found['q3'])})"


def row(*cells: object) -> str:
    """A line of a Markdown table."""
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def goals(figure: Figure, arms: Arms) -> str:
    """What came of the goals of one figure."""
    judged = figures.judged(figure, arms)
    missed = [f"{goal.text(figure.unit)} (is {number(value)})" for goal, value, met in judged if not met]
    if missed:
        return "missed: " + ", ".join(missed)
    if figure.goals and not judged:
        return "not measured"
    return "met" if judged else ""


def lost(entries: list[Entry]) -> Iterator[str]:
    """Every figure in which another arm needs less than mitopatch."""
    for entry in entries:
        for figure in entry.workload.figures:
            arms = entry.table()[figure.name]
            worse = [f"{number(ratio)} x for {arm}" for arm, ratio in figures.ratios(figure, arms).items() if ratio < 1]
            if worse:
                yield f"- {entry.name}, {figure.name}, {entry.series}: {', '.join(worse)}"


def missed(entries: list[Entry]) -> Iterator[str]:
    """Every goal that is missed."""
    for entry in entries:
        for figure in entry.workload.figures:
            text = goals(figure, entry.table()[figure.name])
            if text.startswith("missed: "):
                yield f"- {entry.name}, {figure.name}, {entry.series}: {text[len('missed: ') :]}"


def wrong(entries: list[Entry]) -> Iterator[str]:
    """Every kind of run that did not count, and why."""
    for entry in entries:
        seen: dict[tuple[str, str], list[str]] = {}
        for run in entry.found["runs"]:
            if not run["good"]:
                seen.setdefault((run["size"], run["arm"]), []).append(run["why"].splitlines()[0])
        for (size, arm), reasons in seen.items():
            yield f"- {entry.name}, {size}, {arm}, {entry.series}: {len(reasons)} run{'s' * (len(reasons) > 1)}, {reasons[0]}"


def section(name: str, entries: list[Entry]) -> list[str]:
    """One workload: each figure in each series."""
    workload = WORKLOADS[name]
    remark = f" {workload.remark}" if workload.remark else ""
    lines = [f"### {name}", "", f"{workload.about[0].upper()}{workload.about[1:]}.{remark}", ""]
    lines.append(row("figure", "series", *ARMS, *(f"{arm} : {MITOPATCH}" for arm in OTHERS), "goals"))
    lines.append("|---" * (len(ARMS) + len(OTHERS) + 3) + "|")
    for figure in workload.figures:
        for entry in entries:
            arms = entry.table()[figure.name]
            ratios = figures.ratios(figure, arms)
            cells = [number(ratios[arm]) if arm in ratios else "" for arm in OTHERS]
            title = f"{figure.name}, {figure.unit}" if figure.unit not in ("", "x") else figure.name
            lines.append(row(title, entry.series, *(spread(arms[arm]) for arm in ARMS), *cells, goals(figure, arms)))
    return [*lines, ""]


def page(entries: list[Entry]) -> str:
    """Return the text of performance.md."""
    lines = [HEAD, "## Where mitopatch loses", ""]
    lines += list(lost(entries)) or ["Nowhere, in what was measured."]
    lines += ["", "## Goals missed", ""]
    lines += list(missed(entries)) or ["None, in what was measured."]
    lines += ["", "## Runs that did not count", ""]
    lines += list(wrong(entries)) or ["None."]
    lines += ["", "## Figures", ""]
    for name in dict.fromkeys(entry.name for entry in entries):
        lines += section(name, [entry for entry in entries if entry.name == name])
    missing = [name for name in WORKLOADS if all(entry.name != name for entry in entries)]
    if missing:
        lines += [f"Not measured: {', '.join(missing)}.", ""]
    lines += [DEBOPS, "## Records", ""]
    columns = ("workload", "date", "ansible-core", "Mitogen", "Python", "cores", "rounds", "load before", "commit")
    lines += [row(*columns), "|---" * len(columns) + "|"]
    for entry in entries:
        versions, machine = entry.about["versions"], entry.about["machine"]
        rounds = len({run["round"] for run in entry.found["runs"]})
        lines.append(
            row(
                entry.name, entry.found["date"][:16], versions["ansible-core"], versions["mitogen"], versions["python"], machine["cores"],
                rounds, number(entry.found["load_before"][0]), entry.about["commit"],
            )
        )  # fmt: skip
    lines += ["", "A load before of 1 and more: the machine did other things too, and wall times are worth less than CPU and ratios."]
    return "\n".join(lines) + "\n"


def bars(entries: list[Entry]) -> list[chart.Panel]:
    """Return what the chart shows: the first figure of each workload that has ratios, series by series."""
    panels = []
    for series in dict.fromkeys(sorted((entry.series for entry in entries), key=lambda text: tuple(map(int, text.split("."))))):
        rows = []
        for entry in entries:
            figure = entry.workload.figures[0]
            ratios = figures.ratios(figure, entry.table()[figure.name]) if entry.series == series else {}
            if ratios:
                wanted = {goal.against: goal.least for goal in figure.goals if goal.against and goal.least}
                rows.append(chart.Row(f"{entry.name}: {figure.name}", [(arm, ratios.get(arm), wanted.get(arm)) for arm in OTHERS]))
        if rows:
            panels.append(chart.Panel(f"ansible-core {series}", rows))
    return panels


def picture(entries: list[Entry]) -> str:
    """Return the text of performance.svg."""
    return chart.draw(f"How many times as much as {MITOPATCH} another arm needs", bars(entries))


def write() -> None:
    """Write the page and the chart."""
    entries = newest()
    PAGE.write_text(page(entries), encoding="utf-8")
    CHART.write_text(picture(entries), encoding="utf-8")
