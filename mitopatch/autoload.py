"""[any process] The line in mitopatch.pth imports this at every start of the environment's interpreter.

Therefore: nothing but `sys` and builtins is imported, nothing is decided, nothing can raise. One finder waits for
`ansible.constants`; only after that module has run is anything else of this package imported. A program that never imports
Ansible's controller costs one dictionary look-up per import and never notices.

No ``from __future__`` line either: it would read another file at every start.
"""

import sys
from _thread import get_ident

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any, Optional

FIRST = "ansible.constants"


class Loader:
    """[any process] Stands before a module's own loader for one execution, then tells the finder."""

    def __init__(self, loader: "Any", done: "Callable[[ModuleType], None]") -> None:
        self._loader = loader
        self._done = done

    def __getattr__(self, name: str) -> "Any":
        # get_source, get_data, is_package, path: whoever asks the spec before the execution gets the real answers.
        return getattr(self._loader, name)

    def create_module(self, spec: "ModuleSpec") -> "Optional[ModuleType]":
        """[any process] What the module's own loader does. Raises what it raises."""
        create = getattr(self._loader, "create_module", None)
        return create(spec) if create is not None else None  # type: ignore[no-any-return]

    def exec_module(self, module: "ModuleType") -> None:
        """[any process] Puts the module's own loader back, lets it run, tells the finder. Raises only what that loader raises."""
        # Before the execution, so that the module, a failing import and everybody later see the real loader.
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._done(module)


class Finder:
    """[any process] Finds nothing itself: asks the others for the wanted modules and wraps the loader they name."""

    def __init__(self) -> None:
        self.wanted: "dict[str, Callable[[ModuleType], None]]" = {FIRST: first}
        self._asking: "set[tuple[int, str]]" = set()

    def find_spec(self, name: str, path: "Optional[Sequence[str]]" = None, target: "Optional[ModuleType]" = None) -> "Optional[ModuleSpec]":
        """[any process] A spec for a wanted module, else None. Raises only what another finder raises."""
        if name not in self.wanted:
            return None
        # Another tool's finder may ask the whole meta path, us included, from within its own answer: once per thread is enough.
        asked = (get_ident(), name)
        if asked in self._asking:
            return None
        self._asking.add(asked)
        try:
            for finder in list(sys.meta_path):
                find = getattr(finder, "find_spec", None)
                spec: "Optional[ModuleSpec]" = find(name, path, target) if finder is not self and find is not None else None
                if spec is not None:
                    if hasattr(spec.loader, "exec_module"):
                        spec.loader = Loader(spec.loader, self._executed)  # type: ignore[assignment]
                    return spec
            return None
        finally:
            self._asking.discard(asked)

    def _executed(self, module: "ModuleType") -> None:
        act = self.wanted.pop(module.__name__, None)
        if act is None:
            return
        try:
            act(module)
        except Exception as error:
            complain(error)

    def remove(self) -> None:
        """[any process] Leave the meta path. Never raises."""
        self.wanted.clear()
        if self in sys.meta_path:
            sys.meta_path.remove(self)


def first(module: "ModuleType") -> None:
    """[controller] Ansible is being started in this process: the rest of mitopatch may be imported now."""
    from mitopatch import bootstrap

    bootstrap.constants_ready(module, finder)


def complain(error: Exception) -> None:
    """[controller] mitopatch failed where Ansible must not: one line on stderr, a traceback if asked for. Never raises."""
    try:
        from mitopatch import bootstrap

        bootstrap.failed(error)
    except Exception:  # noqa: S110 - not even our own texts can be imported: silence and plain Ansible
        pass


finder = Finder()


def install() -> None:
    """[any process] Put the finder first, once: upstream's collection finder must not answer before us. Never raises."""
    if finder not in sys.meta_path:
        sys.meta_path.insert(0, finder)


install()
