"""[worker] A file of ``vars_files`` or ``include_vars`` is parsed once, as long as it stays as it is, and copied for each host-task.

Upstream reads and parses it for every host-task: of 600 variables 25 ms each time (2.19), more than all else that a small task costs. From
2.19 on it then copies what include_vars reads with the standard library's ``deepcopy``, which takes half as long again.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

from ansible.parsing.dataloader import DataLoader

from mitopatch.runtime.bounded import Bounded
from mitopatch.versions import threads
from mitopatch.versions.deep_copies import DeepCopies
from mitopatch.versions.plugin_files import SETTLED, State, state_of

#: Files that are kept.
MOST = 100
#: How VariableManager.get_vars asks for such a file (2.11 to 2.15, later): nothing else asks so.
CACHE = (False, "vaulted")
#: How include_vars asks for one (from 2.19 on). Before, it has the text parsed.
INCLUDED = {"cache": "none", "trusted_as_template": True}
#: Texts that are longer are parsed each time.
LONGEST = 1 << 20


class Parsed(NamedTuple):
    """What a file held, and how it was then."""

    state: State
    data: Any


def install(deepcopy: DeepCopies, warnings: Callable[[], int]) -> None:
    """Put it in place; this process is a worker for the rest of its life. ``warnings()``: how many the task's result has so far."""
    load = DataLoader.load_from_file
    known: dict[Hashable, Parsed] = Bounded(MOST)
    #: Of what is warned (a name that is there twice), the result of each task tells.
    doubtful: set[Hashable] = set()

    def load_once(self: Any, file_name: Any, *args: Any, **kwargs: Any) -> Any:
        of_a_play = kwargs.get("unsafe") is True and kwargs.get("cache") in CACHE
        if args or not (of_a_play or kwargs == INCLUDED) or not isinstance(file_name, str):
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
        said = warnings()
        data = load(self, file_name, **kwargs)
        if warnings() != said:
            doubtful.add(key)  # what is said once more in one task is not counted
        if time.time() - found.st_mtime > SETTLED and key not in doubtful:
            known[key] = Parsed(state, deepcopy(data))
        return data

    DataLoader.load_from_file = load_once


class Telling:
    """Stands for the display of upstream's reader of YAML, and counts what each thread warns of."""

    def __init__(self, display: Any) -> None:
        self._display = display
        self._local = threading.local()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._display, name)

    @property
    def said(self) -> int:
        """How many warnings so far."""
        return getattr(self._local, "said", 0)

    def warning(self, *args: Any, **kwargs: Any) -> Any:
        """As the display's."""
        self._local.said = self.said + 1
        return self._display.warning(*args, **kwargs)


def install_texts(deepcopy: DeepCopies) -> None:
    """Up to 2.18 include_vars reads a file and has its text parsed: put that in place."""
    from ansible.parsing.yaml import constructor

    load = DataLoader.load
    known: dict[Hashable, Any] = Bounded(MOST)
    telling = constructor.display = Telling(constructor.display)

    def load_once(self: Any, data: Any, file_name: Any = "<string>", show_content: Any = True, json_only: Any = False) -> Any:
        if threads.current_task() is None or not isinstance(data, str) or len(data) > LONGEST:
            return load(self, data, file_name, show_content, json_only)
        # Other secrets may not read what is encrypted in it.
        key = (data, file_name, show_content, json_only, id(self._vault.secrets))
        kept = known.get(key)
        if kept is not None:
            return deepcopy(kept[1])
        said = telling.said
        parsed = load(self, data, file_name, show_content, json_only)
        if telling.said == said:
            known[key] = self._vault.secrets, deepcopy(parsed)
        return parsed

    DataLoader.load = load_once
