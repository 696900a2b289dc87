"""[worker] What a module imports of ``ansible.module_utils``, from the cache: ansible_mitogen compiles every file of them to find out."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import mitopatch.targets.release  # noqa: F401 - before ansible_mitogen

import ansible_mitogen.module_finder as finder
import mitogen

from mitopatch import cache

#: The names depend on the byte code of this Python and on how Mitogen reads it.
KIND = "imports-{}.{}-{}".format(*sys.version_info[:2], ".".join(map(str, mitogen.__version__)))

_walk_imports = finder.walk_imports


class _Names(list):  # type: ignore[type-arg]
    """Stands for the code object from which ansible_mitogen would read these names."""


def _names(source: bytes, name: str, mode: str) -> _Names:
    """Stands for ``compile`` in ansible_mitogen.module_finder; raises what that raises."""
    text = name.encode() + b"\n" + source
    return _Names(cache.remembered(KIND, text, lambda: list(_walk_imports(compile(source, name, mode), finder.PREFIX.rstrip(".")))))


def _walk(code: Any, prefix: Any = None) -> Iterator[str]:
    return iter(code) if isinstance(code, _Names) else _walk_imports(code, prefix)


def install() -> None:
    """Put both in place; this process is a worker for the rest of its life."""
    finder.compile = _names
    finder.walk_imports = _walk
