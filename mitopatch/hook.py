"""[any process] What the finder of `autoload` does when one of Ansible's modules is imported that mitopatch waits for.

The other finders find; the loader they name is wrapped for one execution and put back before it. An exception of ours never
reaches the import: it becomes one line for the user, and Ansible runs as it is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from threading import get_ident
from types import ModuleType
from typing import TYPE_CHECKING, Any, Optional

if TYPE_CHECKING:
    from mitopatch.autoload import Finder

_asking: set[tuple[int, str]] = set()


class Loader:
    """[any process] Stands before a module's own loader for one execution, then calls ``done``."""

    def __init__(self, loader: Any, done: Callable[[ModuleType], None]) -> None:
        self._loader = loader
        self._done = done

    def __getattr__(self, name: str) -> Any:
        # get_source, get_data, is_package, path: whoever asks the spec before the execution gets the real answers.
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> Optional[ModuleType]:
        """[any process] What the module's own loader does. Raises what it raises."""
        create = getattr(self._loader, "create_module", None)
        made: Optional[ModuleType] = create(spec) if create is not None else None
        return made

    def exec_module(self, module: ModuleType) -> None:
        """[any process] Puts the module's own loader back, lets it run, then calls ``done``. Raises only what that loader raises."""
        # Before the execution, so that the module, a failing import and everybody later see the real loader.
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._done(module)


def find(finder: Finder, name: str, path: Optional[Sequence[str]], target: Optional[ModuleType]) -> Optional[ModuleSpec]:
    """[any process] The spec the other finders give, its loader wrapped; None if they have none. Raises only what they raise."""
    # Another tool's finder may ask the whole meta path, us included, from within its own answer: once per thread is enough.
    asked = (get_ident(), name)
    if asked in _asking:
        return None
    _asking.add(asked)
    try:
        for other in list(sys.meta_path):
            ask = getattr(other, "find_spec", None)
            spec: Optional[ModuleSpec] = ask(name, path, target) if other is not finder and ask is not None else None
            if spec is not None:
                if hasattr(spec.loader, "exec_module"):
                    spec.loader = Loader(spec.loader, lambda module: executed(finder, module))  # type: ignore[assignment]
                return spec
        return None
    finally:
        _asking.discard(asked)


def executed(finder: Finder, module: ModuleType) -> None:
    """[controller] A wanted module has run: call what waits for it, once. Never raises an Exception."""
    if module.__name__ not in finder.wanted:
        return
    act = finder.wanted.pop(module.__name__)
    try:
        from mitopatch import bootstrap

        if act is None:
            bootstrap.executed(module, finder)
        else:
            act(module)
    except Exception as error:
        _complain(error)


def _complain(error: Exception) -> None:
    try:
        from mitopatch import bootstrap

        bootstrap.failed(error)
    except Exception:  # noqa: S110 # nosec B110 # not even our own texts can be imported: silence, and plain Ansible
        pass


def remove(finder: Finder) -> None:
    """[any process] Nothing is waited for any more: leave the meta path. Never raises."""
    finder.wanted.clear()
    if finder in sys.meta_path:
        sys.meta_path.remove(finder)  # type: ignore[arg-type]
