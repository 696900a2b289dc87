"""A dictionary that never grows beyond its size."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mitopatch.runtime.bounded import Bounded


@given(st.integers(1, 5), st.lists(st.tuples(st.integers(0, 9), st.integers()), max_size=60))
def test_what_it_has_is_what_was_put_last(most: int, puts: list[tuple[int, int]]) -> None:
    kept: Bounded[int, int] = Bounded(most)
    last: dict[int, int] = {}
    for key, value in puts:
        kept[key] = last[key] = value
        assert kept[key] == value
        assert len(kept) <= most
        assert kept.items() <= last.items()


def test_only_a_new_key_empties_it() -> None:
    kept: Bounded[str, int] = Bounded(2)
    kept["a"], kept["b"] = 1, 2
    kept["a"] = 3
    assert kept == {"a": 3, "b": 2}
    kept["c"] = 4
    assert kept == {"c": 4}
