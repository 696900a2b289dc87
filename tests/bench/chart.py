"""Draws ratios as horizontal bars on a logarithmic scale, as SVG text."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Optional
from xml.sax.saxutils import escape

Bar = tuple[str, Optional[float], Optional[float]]
"""Name, ratio, goal."""


@dataclass(frozen=True)
class Row:
    """One workload, with a bar for each arm."""

    title: str
    bars: list[Bar]


@dataclass(frozen=True)
class Panel:
    """The rows of one series."""

    title: str
    rows: list[Row]


WIDTH, LEFT, RIGHT = 900, 260, 60
BAR, GAP, HEAD = 11, 9, 46
LOW, HIGH = 0.25, 64.0
COLOURS = ("#7a7a7a", "#c8762b")
LOSING = "#b3261e"


def place(ratio: float) -> float:
    """Return where a ratio is on the horizontal axis; what lies outside of the scale is drawn at its end."""
    share = math.log(min(max(ratio, LOW), HIGH) / LOW) / math.log(HIGH / LOW)
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def text(x: float, y: float, words: str, more: str = "") -> str:
    """Return a text element."""
    return f'<text x="{x:.1f}" y="{y:.1f}"{more}>{escape(words)}</text>'


def line(x: float, top: float, bottom: float, colour: str, width: float = 1) -> str:
    """Return a vertical line."""
    return f'<line x1="{x:.1f}" y1="{top:.1f}" x2="{x:.1f}" y2="{bottom:.1f}" stroke="{colour}" stroke-width="{width}"/>'


def _row(row: Row, top: float) -> list[str]:
    parts = [text(LEFT - 8, top + BAR * len(row.bars) / 2 + 4, row.title, ' text-anchor="end"')]
    for number, (_name, ratio, goal) in enumerate(row.bars):
        y = top + number * BAR
        if ratio is None:
            parts.append(text(place(1) + 4, y + BAR - 2, "not measured", ' fill="#999" font-size="9"'))
            continue
        begin, end = sorted((place(1), place(ratio)))
        parts.append(f'<rect x="{begin:.1f}" y="{y:.1f}" width="{end - begin:.1f}" height="{BAR - 2}" fill="{COLOURS[number]}"/>')
        colour = LOSING if ratio < 1 else "#222"
        parts.append(
            text(max(end, place(1)) + 4, y + BAR - 2, f"{ratio:.2g}" if ratio < 100 else f"{ratio:.0f}", f' fill="{colour}" font-size="10"')
        )
        if goal is not None and goal != 1:
            parts.append(line(place(goal), y - 1, y + BAR - 1, "#1b5e20", 2))
    return parts


def draw(title: str, panels: list[Panel]) -> str:
    """Return the picture."""
    parts: list[str] = []
    y = 64.0
    for panel in panels:
        parts.append(text(LEFT, y + 14, panel.title, ' font-weight="bold"'))
        top = y + HEAD - 6
        bottom = y + HEAD + sum(len(row.bars) * BAR + GAP for row in panel.rows)
        for power in range(round(math.log2(LOW)), round(math.log2(HIGH)) + 1):
            ratio = 2.0**power
            parts.append(line(place(ratio), top, bottom, "#222" if ratio == 1 else "#ddd"))
            parts.append(text(place(ratio), top - 4, f"{ratio:g}", ' text-anchor="middle" font-size="10" fill="#555"'))
        y += HEAD
        for row in panel.rows:
            parts += _row(row, y)
            y += len(row.bars) * BAR + GAP
        y += 16
    names = list(dict.fromkeys(bar[0] for panel in panels for row in panel.rows for bar in row.bars))
    legend = [text(16, 24, title, ' font-size="15" font-weight="bold"')]
    for number, name in enumerate(names):
        legend.append(f'<rect x="{16 + 150 * number}" y="36" width="11" height="11" fill="{COLOURS[number]}"/>')
        legend.append(text(32 + 150 * number, 46, name))
    legend += [
        line(16 + 150 * len(names), 35, 48, "#1b5e20", 2),
        text(24 + 150 * len(names), 46, "goal; bars to the left of 1: mitopatch loses"),
    ]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y:.0f}" font-family="sans-serif" font-size="12" fill="#222">'
    return "\n".join([head, f'<rect width="{WIDTH}" height="{y:.0f}" fill="#fff"/>', *legend, *parts, "</svg>"]) + "\n"
