"""[any process] The import hook under the package's own name, for programs and for `mitopatch run`: importing it installs it.

The code is the top-level module `mitopatch_autoload`, because at every interpreter start a package and a module in it cost a
third more than one module (docs/activation.md has the figures).
"""

from __future__ import annotations

from mitopatch_autoload import WATCHED, Finder, finder

__all__ = ["WATCHED", "Finder", "finder"]
