"""[controller, worker] Which warnings have been shown: upstream's ``Display`` shows each text once in a process.

A fork of 2.11 to 2.15 begins with what the controller had shown when it was forked, and what it shows itself is forgotten
with it: two host-tasks with one warning show it twice. From 2.16 on warnings go to the controller, which shows them once;
errors still do not. A worker outlives many host-tasks, so it keeps the texts of each apart.

Source: Display.warning, deprecated, error (2.11 to 2.18).
"""

from __future__ import annotations

import threading
from itertools import islice
from typing import Any

_BOOKS = ("_warns", "_deprecations", "_errors")


class PerTask(dict):  # type: ignore[type-arg]
    """[worker] The texts that the controller has shown, and for each thread those of its host-task."""

    def __init__(self, shown: dict[str, int]) -> None:
        super().__init__(shown)
        self._local = threading.local()

    def begin(self) -> None:
        """A host-task begins on this thread."""
        self._local.own = set()

    def __contains__(self, text: object) -> bool:
        return super().__contains__(text) or text in getattr(self._local, "own", ())

    def __setitem__(self, text: str, value: int) -> None:
        self._local.__dict__.setdefault("own", set()).add(text)


class Books:
    """[controller, worker] The display's books on both sides."""

    def __init__(self, display: Any) -> None:
        self._display = display
        self._counts = [0] * len(_BOOKS)

    def news(self) -> list[list[str]]:
        """[controller] What has been shown since the last call; empty if nothing. A worker that starts later inherits all of it."""
        books = [getattr(self._display, name) for name in _BOOKS]
        if all(len(book) == count for book, count in zip(books, self._counts)):
            return []
        found = [list(islice(book, count, None)) for book, count in zip(books, self._counts)]
        self._counts = [len(book) for book in books]
        return found

    def install(self) -> None:
        """[worker] From now on each host-task has its own."""
        display = self._display
        display._warns, display._deprecations, display._errors = map(PerTask, (display._warns, display._deprecations, display._errors))

    def begin(self) -> None:
        """[worker] A host-task begins on this thread."""
        for name in _BOOKS:
            getattr(self._display, name).begin()

    def add(self, news: list[list[str]]) -> None:
        """[worker] The controller has shown these."""
        for name, texts in zip(_BOOKS, news):
            dict.update(getattr(self._display, name), dict.fromkeys(texts, 1))
