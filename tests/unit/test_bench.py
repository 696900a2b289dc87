"""The logic of the benchmarks: figures from runs, goals, the page and the chart; and one small run of each part of the meter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from tests.bench import figures, meter, report
from tests.bench.workload import ARMS, MITOGEN, MITOPATCH, PLAIN, Figure, Goal, Size
from tests.bench.workloads import WORKLOADS

SIZES = {size.name: size for size in (Size("small", count=2), Size("middle", count=4, arms=(PLAIN,)), Size("large", count=12))}


def one(kind: Any, values: dict[str, float], sizes: tuple[str, ...] = ("small", "large"), factor: float = 1.0) -> Any:
    return figures.one(Figure("f", kind, "wall", sizes, factor=factor), {name: {"wall": value} for name, value in values.items()}, SIZES)


def test_figures_of_one_round() -> None:
    both = {"small": 3.0, "large": 8.0}
    assert one("total", both, factor=1000) == 3000
    assert one("each", both, ("large",), 1000) == pytest.approx(8000 / 12)
    assert one("slope", both) == pytest.approx(0.5)
    assert one("growth", both) == pytest.approx(8 / 3)
    # An arm that does not run the largest size has its slope from what it runs.
    assert one("slope", {"small": 3.0, "middle": 4.0}, ("small", "middle", "large")) == pytest.approx(0.5)
    assert one("gain", {**both, "middle": 3.1}, ("small", "large", "small", "middle")) == pytest.approx(0.5 / 0.05)
    assert one("gain", {**both, "middle": 2.9}, ("small", "large", "small", "middle")) is None
    assert [one(kind, {"large": 8.0}) for kind in ("slope", "growth", "gain")] == [None, None, None]
    assert one("total", {}) is None


def test_spread() -> None:
    assert figures.spread([5.0]) == {"median": 5.0, "q1": 5.0, "q3": 5.0, "rounds": 1}
    assert figures.spread([4.0, 1.0, 2.0, 3.0, 5.0]) == {"median": 3.0, "q1": 2.0, "q3": 4.0, "rounds": 5}


def run(name: str, number: int, size: str, arm: str, **more: Any) -> dict[str, Any]:
    """A made-up run in which mitopatch needs a quarter of plain's, and half of Mitogen's start-up."""
    cost = {PLAIN: 4.0, MITOGEN: 2.0, MITOPATCH: 1.0}[arm] * (1 + number / 10)
    units = next(one.units for one in WORKLOADS[name].sizes if one.name == size)
    value = cost * (1 + units / 100)
    return {
        "round": number,
        "size": size,
        "arm": arm,
        "good": True,
        "cpu": value,
        "cpu_without_ssh": value,
        "wall": value,
        "pss": 50 + cost,
        **more,
    }


def runs(name: str, rounds: int = 3) -> list[dict[str, Any]]:
    return [run(name, number, size.name, arm) for number in range(rounds) for size in WORKLOADS[name].sizes for arm in size.arms]


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_figure_can_be_made_and_judged(name: str) -> None:
    workload = WORKLOADS[name]
    assert len({size.name for size in workload.sizes}) == len(workload.sizes)
    table = figures.table(workload, runs(name))
    for figure in workload.figures:
        found = {arm for arm, value in table[figure.name].items() if value}
        assert MITOPATCH in found, figure
        assert len(figures.judged(figure, table[figure.name])) == len(figure.goals), figure
        for arm, ratio in figures.ratios(figure, table[figure.name]).items():
            if figure.what != "pss":
                assert ratio == pytest.approx({PLAIN: 4, MITOGEN: 2}[arm])


def test_a_round_with_a_wrong_run_does_not_count() -> None:
    found = runs("facts")
    found[0].update(good=False)
    figure = WORKLOADS["facts"].figures[2]
    spread = figures.of_arm(figure, WORKLOADS["facts"], found, found[0]["arm"])
    assert spread is not None
    assert spread["rounds"] == 2
    for each in found:
        each.update(good=False)
    assert figures.of_arm(figure, WORKLOADS["facts"], found, MITOPATCH) is None


def test_goals() -> None:
    arms: Any = {PLAIN: {"median": 8.0}, MITOGEN: None, MITOPATCH: {"median": 2.0}}
    goals = (Goal(PLAIN, least=4), Goal(PLAIN, least=5), Goal(MITOGEN, least=1), Goal(most=1.5))
    found = figures.judged(Figure("f", "total", "wall", ("small",), "s", goals=goals), arms)
    assert [(goal.text("s"), value, met) for goal, value, met in found] == [
        ("at least 4 x plain", 4.0, True),
        ("at least 5 x plain", 4.0, False),
        ("at most 1.5 s", 2.0, False),
    ]
    # Where more is better, or the figure is a ratio itself, there is none between arms.
    assert figures.ratios(Figure("f", "growth", "pss", ("small", "large")), arms) == {}
    noise: Any = {PLAIN: {"median": 8.0}, MITOGEN: {"median": -1.0}, MITOPATCH: {"median": 2.0}}
    assert figures.ratios(Figure("f", "slope", "wall", ("small", "large")), noise) == {PLAIN: 4.0}


def record(folder: Path, name: str, day: int, release: str, made: list[dict[str, Any]], **more: Any) -> None:
    about = {
        "versions": {"ansible-core": release, "mitogen": "0.3.54", "python": "3.12.1"},
        "machine": {"cpu": "some", "cores": 2},
        "commit": f"commit{day}",
        "results": {name: {"date": f"2026-01-{day:02d}T00:00:00+00:00", "load_before": [0.5, 0, 0], "runs": made}},
    }
    (folder / f"2026-01-{day:02d}T000000-core{release}.json").write_text(json.dumps({**about, **more}))


def test_page_takes_the_newest_complete_record(tmp_path: Path) -> None:
    record(tmp_path, "startup", 1, "2.16.1", runs("startup"))
    record(tmp_path, "startup", 2, "2.16.2", runs("startup"))
    record(tmp_path, "startup", 3, "2.16.3", [one for one in runs("startup") if one["arm"] == MITOPATCH])
    record(tmp_path, "facts", 4, "2.21.1", [{**one, "wall": 1 / one["wall"]} for one in runs("facts")])
    record(tmp_path, "gone", 5, "2.21.1", [])
    entries = report.newest(tmp_path)
    assert [(entry.name, entry.about["commit"]) for entry in entries] == [("startup", "commit2"), ("facts", "commit4")]
    text = report.page(entries)
    # Nothing is left out that does not please.
    loses, missed, rest = (text.split(head)[1] for head in ("## Where mitopatch loses", "## Goals missed", "## Runs that did not count"))
    assert "- facts, wall, 2.21: 0.25 x for plain, 0.5 x for mitogen_linear" in loses.split("\n## ")[0]
    assert "startup" not in loses.split("\n## ")[0]
    assert "- facts, wall, 2.21: at least 6 x plain (is 0.25), at least 6 x mitogen_linear (is 0.5)" in missed.split("\n## ")[0]
    assert rest.split("\n## ")[0].split() == ["None."]
    assert "Not measured: adhoc, small, commands, " in text


def test_page_names_runs_that_did_not_count(tmp_path: Path) -> None:
    made = runs("startup")
    made[1].update(good=False, why="exit code 2, 0 of 0 ok\nmore")
    record(tmp_path, "startup", 1, "2.16.1", made)
    assert f"- startup, run, {made[1]['arm']}, 2.16: 1 run, exit code 2, 0 of 0 ok\n" in report.page(report.newest(tmp_path))


def test_chart_is_xml_with_a_bar_for_each_ratio(tmp_path: Path) -> None:
    record(tmp_path, "facts", 1, "2.16.1", runs("facts"))
    record(
        tmp_path,
        "facts",
        2,
        "2.21.1",
        [one for one in runs("facts") if one["arm"] != MITOGEN] + [run("facts", 0, "1 task", MITOGEN, good=False, why="x")],
    )
    picture = ElementTree.fromstring(report.picture(report.newest(tmp_path)))
    space = "{http://www.w3.org/2000/svg}"
    words = [str(element.text) for element in picture.iter(f"{space}text")]
    assert [word for word in words if word.startswith("ansible-core")] == ["ansible-core 2.16", "ansible-core 2.21"]
    assert words.count("4") == 2 + 2  # on each panel's axis, and plain's ratios
    assert words.count("not measured") == 1
    bars = [element for element in picture.iter(f"{space}rect") if element.get("height") == "9"]
    assert len(bars) == 3


def test_page_is_what_the_records_say() -> None:
    entries = report.newest()
    assert report.PAGE.read_text() == report.page(entries), "write it anew: python -m tests.bench --page"
    assert report.CHART.read_text() == report.picture(entries), "write it anew: python -m tests.bench --page"


def test_tiny_sizes_keep_their_order() -> None:
    for workload in WORKLOADS.values():
        units = [size.units for size in workload.sizes]
        tiny = [size.tiny().units for size in workload.sizes]
        assert max(tiny) <= 24
        for left in range(len(units)):
            for right in range(len(units)):
                assert units[left] > units[right] or tiny[left] <= tiny[right] or workload is WORKLOADS["fleet"]


def test_every_arm_has_a_place() -> None:
    assert {arm for workload in WORKLOADS.values() for size in workload.sizes for arm in size.arms} == set(ARMS)


def test_descendants() -> None:
    assert meter.descendants(1, {2: 1, 3: 2, 4: 3, 5: 9, 1: 0}) == {2, 3, 4}
    assert meter.pss_kib(os.getpid()) > 1000
    assert meter.pss_kib(2**22 + 1) == 0


BUSY = """
import os, sys, time
block = bytearray(64 << 20)
block[::4096] = b"x" * len(block[::4096])
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    until = time.process_time() + 0.3
    while time.process_time() < until:
        pass
    time.sleep(60)
while time.process_time() < 0.3:
    pass
time.sleep(1)
sys.exit(3)
"""


def test_meter_counts_memory_once_and_what_has_left_the_tree(tmp_path: Path) -> None:
    """A daemon that shares its parent's 64 MiB and outlives it: its CPU counts, the shared memory counts once."""
    path = tmp_path / "report"
    command = [sys.executable, meter.__file__, str(path), "0.5", sys.executable, "-c", BUSY]
    done = subprocess.run(command, timeout=60, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 3
    found = json.loads(path.read_text())
    assert found["user"] + found["system"] >= 0.6
    assert 64 <= found["pss"] < 128
    assert found["processes"] >= 2
    assert found["wall"] < 50  # the daemon sleeps for a minute: it was ended
