"""[worker] What Mitogen works out from the text of a module, from the cache: its imports, and the text without comments.

It compiles or tokenizes some seventy files for the first module on the first target: 0.35 s of a worker's CPU (2.16, ping).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, Union

import mitopatch.targets.release  # noqa: F401 - before ansible_mitogen

import ansible_mitogen.module_finder as finder
import mitogen
import mitogen.imports
import mitogen.master
import mitogen.minify

from mitopatch import cache

#: The answers depend on this Python and on how Mitogen reads its byte code.
READER = "{}.{}-mitogen-{}".format(*sys.version_info[:2], ".".join(map(str, mitogen.__version__)))

_walk_imports = finder.walk_imports
_codeobj_imports = mitogen.imports.codeobj_imports
_minimize_source = mitogen.minify.minimize_source


class _Answer(list):  # type: ignore[type-arg]
    """Stands for the code object from which Mitogen would read this."""


# ansible_mitogen.module_finder: names below ansible.module_utils
def _compile_for_names(source: bytes, name: str, mode: str) -> _Answer:
    """Stands for ``compile``; raises what that raises."""
    prefix = finder.PREFIX.rstrip(".")
    return _Answer(
        cache.remembered(
            f"names-{READER}", name.encode() + b"\n" + source, lambda: list(_walk_imports(compile(source, name, mode), prefix))
        )
    )


def _walk(code: Any, prefix: Any = None) -> Iterator[str]:
    return iter(code) if isinstance(code, _Answer) else _walk_imports(code, prefix)


# mitogen.master.ModuleFinder.find_related_imports: all import statements
def _compile_for_imports(source: Union[str, bytes], name: str, mode: str) -> _Answer:
    """Stands for ``compile``; raises what that raises."""

    def read() -> list[Any]:
        return [[level, module, list(names)] for level, module, names in _codeobj_imports(compile(source, name, mode))]

    return _Answer(cache.remembered(f"imports-{READER}", source, read))


def statements(source: Union[str, bytes], name: str) -> Iterator[Any]:
    """Return level, module and names of each import statement of a text; raises what ``compile`` raises."""
    return iter(_compile_for_imports(source, name, "exec"))


def _imports(code: Any) -> Iterator[Any]:
    return iter(code) if isinstance(code, _Answer) else _codeobj_imports(code)


# mitogen.master.ModuleResponder: the text that is sent
def _minimize(source: Union[str, bytes]) -> str:
    found: str = cache.remembered(f"minimized-{READER}", source, lambda: _minimize_source(source))
    return found


def install() -> None:
    """Put all in place; this process is a worker for the rest of its life."""
    finder.compile = _compile_for_names
    finder.walk_imports = _walk
    mitogen.master.compile = _compile_for_imports
    mitogen.imports.codeobj_imports = _imports
    mitogen.minify.minimize_source = _minimize
