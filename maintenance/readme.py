"""[maintenance] The README's table of series, written from mitopatch/versions/__init__.py:SUPPORTED.

python -m maintenance.readme           bring the table up to date
"""

from __future__ import annotations

import sys
from pathlib import Path

from mitopatch.versions import SUPPORTED, Row

README = Path(__file__).parent.parent / "README.md"
BEGIN = "<!-- BEGIN series, written by: nox -s matrix -->"
END = "<!-- END series -->"


def line(row: Row) -> str:
    """[maintenance] One row of the table; what is not tested yet says so."""
    status = "" if row.status == "tested" else f" ({row.status})"
    return f"| {row.series}{status} | {row.oldest} to {row.newest} | {', '.join(row.pythons)} |"


def block() -> str:
    """[maintenance] The table with its marks."""
    return "\n".join([BEGIN, "| series | releases tested | Pythons |", "|---|---|---|", *map(line, SUPPORTED), END])


def written(text: str) -> str:
    """[maintenance] The README with the table brought up to date. Raises ValueError if the marks are gone."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"README.md has no lines {BEGIN!r} and {END!r}")
    return before + block() + after


def main() -> int:
    """[maintenance] The command."""
    README.write_text(written(README.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
