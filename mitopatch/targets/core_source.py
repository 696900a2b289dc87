"""[worker] Take the current directory out of the places where an interpreter on a target looks for what it imports.

An interpreter of Mitogen's reads its program from standard input. Python then looks for every import in the current directory first:
in the home of the login account, also when root's interpreter was started by sudo, and on this machine beside the playbook. So files
there would be run and believed. Mitogen takes that directory out for its first stage only. Upstream's modules do without it, so
the program that is sent begins by doing the same, before its first import. Targets hand the same text on to those that they start.
"""

from __future__ import annotations

import ast
from typing import Any, Callable

import mitogen.parent

from mitopatch import cache
from mitopatch.targets import hops, imports

#: Source: _ansiballz_main, which excludes the same three. For Python 2.7 too; `sys` is part of every Python, and `os` imported by then.
#: Python makes absolute paths of what PYTHONPATH has, so the directory itself is there only if that variable names it.
PRELUDE = """\
import sys
sys.path = SEARCH_PATH = [place for place in sys.path if place not in ('', '.')]
import os
try:
 sys.path = [place for place in SEARCH_PATH if place != os.getcwd()]
except OSError:
 pass
if 'PYTHONSAFEPATH' in os.environ and os.environ['PYTHONSAFEPATH'] == 'mitopatch':
 del os.environ['PYTHONSAFEPATH']
"""


def mended(source: str) -> str:
    """[worker] Return the text of mitogen.core with the prelude before its first statement, after docstring and ``__future__``."""
    for statement in ast.parse(source).body:
        is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        if not is_text and not (isinstance(statement, ast.ImportFrom) and statement.module == "__future__"):
            break
    else:
        raise ValueError("mitogen.core has no statement")
    lines = source.splitlines(keepends=True)
    return "".join([*lines[: statement.lineno - 1], PRELUDE, *lines[statement.lineno - 1 :]])


def install() -> None:
    """[worker] Have every interpreter that is started from now on begin with the prelude."""
    upstream: Callable[[], Any] = mitogen.parent._get_core_source

    def get_core_source() -> str:
        source = upstream()
        # To parse it takes 24 ms of each worker's start.
        text: str = cache.remembered(f"core-{imports.READER}", PRELUDE + source, lambda: mended(source))
        return text

    mitogen.parent._get_core_source = get_core_source
    mitogen.parent._core_source_partial = None  # it may have been made before
    hops.start_without_directory()  # type: ignore[no-untyped-call]
