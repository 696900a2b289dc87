"""From runs to figures: a value for each round, then median and quartiles; ratios between arms; goals."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Optional

from .workload import ARMS, MITOPATCH, Figure, Goal, Size, Workload

Run = Mapping[str, Any]


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return median and quartiles, and of how many values."""
    if len(values) < 2:
        return {"median": values[0], "q1": values[0], "q3": values[0], "rounds": len(values)}
    q1, median, q3 = statistics.quantiles(values, n=4, method="inclusive")
    return {"median": median, "q1": q1, "q3": q3, "rounds": len(values)}


def one(figure: Figure, runs: Mapping[str, Run], sizes: Mapping[str, Size]) -> Optional[float]:
    """Return the figure of one arm in one round; None if a run that it needs is missing."""
    there = [name for name in figure.sizes if name in runs]
    values = [float(runs[name][figure.what]) for name in there]
    units = [sizes[name].units for name in there]
    if figure.kind in ("total", "each"):
        return values[0] * figure.factor / (units[0] if figure.kind == "each" else 1) if there else None
    if figure.kind == "slope":
        return figure.factor * _slope(values, units, 0, -1) if len(there) > 1 else None
    if len(there) < len(figure.sizes):
        return None
    if figure.kind == "growth":
        return values[-1] / values[0]
    first, second = _slope(values, units, 0, 1), _slope(values, units, 2, 3)
    return first / second if second > 0 else None


def _slope(values: Sequence[float], units: Sequence[int], small: int, large: int) -> float:
    """What a further unit needs; sizes of the same number of units (--tiny) have no slope."""
    return (values[large] - values[small]) / ((units[large] - units[small]) or math.inf)


def of_arm(figure: Figure, workload: Workload, runs: Sequence[Run], arm: str) -> Optional[dict[str, float]]:
    """Return the spread of the figure over the rounds of one arm; None if no round has it."""
    sizes = {size.name: size for size in workload.sizes}
    rounds: dict[int, dict[str, Run]] = {}
    for run in runs:
        if run["arm"] == arm and run["good"]:
            rounds.setdefault(run["round"], {})[run["size"]] = run
    wanted = {name for name in figure.sizes if arm in sizes[name].arms}
    values = [value for found in rounds.values() if wanted <= found.keys() and (value := one(figure, found, sizes)) is not None]
    return spread(values) if values else None


def ratios(figure: Figure, arms: Mapping[str, Optional[Mapping[str, float]]]) -> dict[str, float]:
    """Return how many times as much as mitopatch each other arm needs (medians).

    Nothing where more is better, and nothing of a slope that is not above zero: that is the noise of a busy machine.
    """
    ours = arms.get(MITOPATCH)
    if figure.higher or figure.kind in ("growth", "gain") or not ours or ours["median"] <= 0:
        return {}
    return {arm: found["median"] / ours["median"] for arm, found in arms.items() if arm != MITOPATCH and found and found["median"] > 0}


def judged(figure: Figure, arms: Mapping[str, Optional[Mapping[str, float]]]) -> list[tuple[Goal, float, bool]]:
    """Return each goal that there are figures for, with the value that it bounds, and whether it is met."""
    found, times = [], ratios(figure, arms)
    for goal in figure.goals:
        ours = arms.get(MITOPATCH)
        value = times.get(goal.against) if goal.against else ours["median"] if ours else None
        if value is not None:
            found.append((goal, value, goal.met(value)))
    return found


def table(workload: Workload, runs: Sequence[Run]) -> dict[str, dict[str, Optional[dict[str, float]]]]:
    """Return for each figure of the workload its spread in each arm."""
    return {figure.name: {arm: of_arm(figure, workload, runs, arm) for arm in ARMS} for figure in workload.figures}
