"""The collector rests while something large is unpickled, and only then."""

from __future__ import annotations

import gc
import multiprocessing
import pickle
from collections.abc import Iterator
from typing import Any

import pytest

from mitopatch.runtime import rest

SEEN: list[bool] = []


class Look:
    """[test] Notes whether the collector is at work when this is unpickled."""

    def __init__(self, size: int, fail: bool = False) -> None:
        self.state = ("x" * size, fail)

    def __reduce__(self) -> Any:
        return look, self.state


def look(text: str, fail: bool) -> int:
    SEEN.append(gc.isenabled())
    if fail:
        raise ValueError("for a test")
    return len(text)


@pytest.fixture(autouse=True)
def collecting() -> Iterator[None]:
    SEEN.clear()
    assert gc.isenabled()
    yield
    enabled = gc.isenabled()
    gc.enable()
    assert enabled


@pytest.mark.parametrize("size", [1, rest.LARGE])
def test_loads(size: int) -> None:
    assert rest.loads(pickle.dumps(Look(size))) == size
    with pytest.raises(ValueError, match="for a test"):
        rest.loads(pickle.dumps(Look(size, fail=True)))
    assert [size == 1] * 2 == SEEN


def test_reading_a_queue() -> None:
    queue = multiprocessing.get_context("fork").SimpleQueue()
    rest.while_reading(queue)
    for size in (1, rest.LARGE, 2):
        queue.put(Look(size))
        assert queue.get() == size
        assert gc.isenabled()
    queue.put(Look(rest.LARGE, fail=True))
    with pytest.raises(ValueError, match="for a test"):
        queue.get()
    assert SEEN == [True, False, True, False]
    queue.close()


def test_who_has_switched_it_off_finds_it_so() -> None:
    gc.disable()
    try:
        assert rest.loads(pickle.dumps(Look(rest.LARGE))) == rest.LARGE
        assert not gc.isenabled()
    finally:
        gc.enable()
