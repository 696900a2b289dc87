"""[any process] The table of supported ansible-core series: pure data, the one place that says what is supported.

It feeds the choice of a bundle, the texts, the tox matrix and the README's table. One module per series; a module imports
nothing of this package but the head of its own family.
"""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """[any process] One series of ansible-core."""

    series: str
    module: str
    family: str
    pythons: tuple[str, ...]
    oldest: str
    newest: str
    mitogen: str
    status: str


MITOGEN = ">=0.3.54,<0.4"

SUPPORTED: tuple[Row, ...] = (
    Row("2.11", "mitopatch.versions.v2_11", "2.11", ("3.9",), "2.11.0", "2.11.12", MITOGEN, "tested"),
    Row("2.12", "mitopatch.versions.v2_12", "2.11", ("3.9", "3.10"), "2.12.0", "2.12.10", MITOGEN, "tested"),
    Row("2.13", "mitopatch.versions.v2_13", "2.11", ("3.9", "3.10"), "2.13.0", "2.13.13", MITOGEN, "tested"),
    Row("2.14", "mitopatch.versions.v2_14", "2.11", ("3.9", "3.10", "3.11"), "2.14.0", "2.14.18", MITOGEN, "tested"),
    Row("2.15", "mitopatch.versions.v2_15", "2.15", ("3.9", "3.10", "3.11"), "2.15.0", "2.15.13", MITOGEN, "tested"),
    Row("2.16", "mitopatch.versions.v2_16", "2.15", ("3.10", "3.11", "3.12"), "2.16.0", "2.16.19", MITOGEN, "tested"),
    Row("2.17", "mitopatch.versions.v2_17", "2.15", ("3.10", "3.11", "3.12"), "2.17.0", "2.17.14", MITOGEN, "tested"),
    Row("2.18", "mitopatch.versions.v2_18", "2.15", ("3.11", "3.12", "3.13"), "2.18.0", "2.18.19", MITOGEN, "tested"),
    Row("2.19", "mitopatch.versions.v2_19", "2.19", ("3.11", "3.12", "3.13"), "2.19.0", "2.19.14", MITOGEN, "tested"),
    Row("2.20", "mitopatch.versions.v2_20", "2.19", ("3.12", "3.13", "3.14"), "2.20.0", "2.20.10", MITOGEN, "tested"),
    Row("2.21", "mitopatch.versions.v2_21", "2.21", ("3.12", "3.13", "3.14"), "2.21.0", "2.21.5", MITOGEN, "tested"),
)


def listed() -> str:
    """[any process] The supported series as one phrase for a text: ``2.11, 2.14 to 2.17 and 2.19``; a gap is named by what is around it."""
    runs: list[list[Row]] = []
    for row in SUPPORTED:
        if runs and _number(row) == _number(runs[-1][-1]) + 1:
            runs[-1].append(row)
        else:
            runs.append([row])
    names: list[str] = []
    for run in runs:
        names += [f"{run[0].series} to {run[-1].series}"] if len(run) > 2 else [row.series for row in run]
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]


def _number(row: Row) -> int:
    return int(row.series.rpartition(".")[2])
