"""[controller] The text of one function as it stands in its file, and the way back to it from the lines of its fingerprint.

Fingerprints and patches count the lines of the normalised text (no comments, no blank lines, dedented); people and
tracebacks count those of the file. A `Body` holds both.

There are two ways to one. The sure way parses the file and tokenizes the function: 10 ms for a long one, which an active
run would pay at its start. The short way finds the end by indentation and the comments by a regular expression. It may be
wrong where the layout is odd, and then the fingerprint is none that anybody knows: so a known fingerprint proves the short
way right, and an unknown one is asked for again the sure way.
"""

from __future__ import annotations

import re
import tokenize
from collections.abc import Collection, Sequence
from types import FunctionType
from typing import NamedTuple, Optional

from mitopatch import fingerprint

# Strings are matched only so that a '#' inside one is left alone.
_STRING_OR_COMMENT = re.compile(
    r'"""(?:\\.|[^\\])*?"""|' r"'''(?:\\.|[^\\])*?'''|" r'"(?:\\.|[^"\\\n])*"|' r"'(?:\\.|[^'\\\n])*'|" r"\#[^\n]*", re.DOTALL
)


class Body(NamedTuple):
    """[controller] ``lines`` as in the file from line ``first`` on; ``places[n]`` says where in them the line ``normal[n]`` stands."""

    lines: tuple[str, ...]
    first: int
    places: tuple[int, ...]
    normal: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """[controller] What this body is known by."""
        return fingerprint.of_lines(self.normal)


def from_text(text: str, first: int = 1) -> Body:
    """[controller] The body that a definition's text is. Raises SyntaxError or tokenize.TokenError if it is not Python."""
    places, normal = zip(*fingerprint.numbered(text))
    return Body(tuple(text.expandtabs().splitlines()), first, places, normal)


def of_function(function: FunctionType, known: Collection[str]) -> Optional[Body]:
    """[controller] The body of a function from the file it was compiled from; None if there is no such text.

    Sure if its fingerprint is one of ``known`` or if no way gives one of them.
    """
    try:
        file = fingerprint.source_file(function.__code__.co_filename)
        first = function.__code__.co_firstlineno
        body = _short_way(file.lines, first)
        if body is None or body.fingerprint not in known:
            text = file.text(function.__qualname__, first)
            body = None if text is None else from_text(text, first)
    except (OSError, SyntaxError, UnicodeError, tokenize.TokenError):
        return None
    return body


def _short_way(lines: Sequence[str], first: int) -> Optional[Body]:
    if not 0 < first <= len(lines):
        return None
    indent = _indent(lines[first - 1])
    end = len(lines)
    defined = False  # has the line with 'def' been passed? Decorators stand before it.
    for number in range(first - 1, len(lines)):
        line = lines[number]
        # A bracket there closes the parameters.
        if defined and line.strip() and _indent(line) <= indent and line.lstrip()[0] not in "#)":
            end = number
            break
        defined = defined or line.lstrip().startswith(("def ", "async "))
    mine = tuple(line.expandtabs() for line in lines[first - 1 : end])
    text = _STRING_OR_COMMENT.sub(_without_comment, "\n".join(mine))
    found = [(number, line.rstrip()) for number, line in enumerate(text.split("\n")) if line.strip()]
    normal = tuple(line[min(indent, _indent(line)) :] for _number, line in found)
    return Body(mine, first, tuple(number for number, _line in found), normal)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _without_comment(match: re.Match[str]) -> str:
    return "" if match[0].startswith("#") else match[0]
