"""[worker] A file of ``vars_files`` is parsed once, as long as it stays as it is, and copied for each host-task.

Upstream reads and parses it for every host-task: of 600 variables 25 ms each time (2.19), more than all else that a small task costs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Hashable
from typing import Any, NamedTuple

from ansible.parsing.dataloader import DataLoader

from mitopatch.runtime.bounded import Bounded
from mitopatch.versions.deep_copies import DeepCopies
from mitopatch.versions.plugin_files import SETTLED, State, state_of

#: Files that are kept.
MOST = 100
#: How VariableManager.get_vars asks for such a file (2.11 to 2.15, later): nothing else asks so.
CACHE = (False, "vaulted")


class Parsed(NamedTuple):
    """What a file held, and how it was then."""

    state: State
    data: Any


def install(deepcopy: DeepCopies) -> None:
    """Put it in place; this process is a worker for the rest of its life."""
    load = DataLoader.load_from_file
    known: dict[Hashable, Parsed] = Bounded(MOST)

    def load_once(self: Any, file_name: Any, *args: Any, **kwargs: Any) -> Any:
        if args or kwargs.get("unsafe") is not True or kwargs.get("cache") not in CACHE or not isinstance(file_name, str):
            return load(self, file_name, *args, **kwargs)
        path = self.path_dwim(file_name)
        try:
            found = os.stat(path)
        except OSError:
            return load(self, file_name, **kwargs)
        state = state_of(found)
        key = (path, *sorted(kwargs.items()))
        kept = known.get(key)
        if kept is not None and kept.state == state:
            return deepcopy(kept.data)
        data = load(self, file_name, **kwargs)
        if time.time() - found.st_mtime > SETTLED:
            known[key] = Parsed(state, deepcopy(data))
        return data

    DataLoader.load_from_file = load_once
