"""[worker] Answers that upstream works out anew for every host-task: the files of a plugin's directory, the facts of a host without."""

from __future__ import annotations

import glob
import os
import time
from collections.abc import Iterator
from typing import Any

from ansible.plugins import loader as plugin_loader
from ansible.vars import manager as vars_manager

#: Seconds after its last change for which a directory is listed anew: another change may have the same time.
SETTLED = 2.0


State = tuple[int, int, int, int]


def state_of(found: os.stat_result) -> State:
    """By which a file or directory is known to be as it was."""
    return (found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev)


class Listing:
    """Stands for the module ``glob`` in upstream's plugin loader: what a pattern gave is good while its directory is as it was."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[State, list[str]]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(glob, name)

    def iglob(self, pattern: str, **kwargs: Any) -> Iterator[str]:
        """As glob's; PluginLoader._find_fq_plugin (2.11 to 2.21) asks for ``DIRECTORY/name.*``."""
        directory = os.path.dirname(pattern)
        try:
            found = os.stat(directory)
        except OSError:
            return glob.iglob(pattern, **kwargs)
        state = state_of(found)
        known = self._known.get(pattern)
        if known is not None and known[0] == state and not kwargs:
            return iter(known[1])
        names = list(glob.iglob(pattern, **kwargs))
        if not kwargs and not glob.has_magic(directory) and time.time() - found.st_mtime > SETTLED:
            self._known[pattern] = (state, names)
        return iter(names)


def install() -> None:
    """Put both in place; this process is a worker for the rest of its life."""
    plugin_loader.glob = Listing()
    clean_facts = vars_manager.clean_facts

    def clean(facts: Any) -> Any:
        # It makes an expression for every connection plugin before it looks at what there is to clean.
        return {} if type(facts) is dict and not facts else clean_facts(facts)

    vars_manager.clean_facts = clean
