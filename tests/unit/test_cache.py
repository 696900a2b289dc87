"""What is kept on disk under the digest of a text."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from mitopatch import cache


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MITOPATCH_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "above"))
    return tmp_path / "above" / "mitopatch"


class Counted:
    """[test] A computation that knows how often it was done."""

    def __init__(self, value: Any) -> None:
        self.value, self.calls = value, 0

    def __call__(self) -> Any:
        self.calls += 1
        return self.value


def test_computed_once_for_each_text_and_kind(place: Path) -> None:
    first, other, kind = Counted({"a": [1, None, "x"]}), Counted("other"), Counted("kind")
    for _ in range(2):
        assert cache.remembered("k", b"text", first) == {"a": [1, None, "x"]}
        assert cache.remembered("k", b"text 2", other) == "other"
        assert cache.remembered("l", b"text", kind) == "kind"
    assert (first.calls, other.calls, kind.calls) == (1, 1, 1)
    assert place.stat().st_mode & 0o777 == 0o700
    assert len(list(place.iterdir())) == 3


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"name": "of another", "value": 1}', '{"value": 1}', "\udc80"])
def test_a_damaged_entry_is_ignored_and_made_anew(place: Path, damage: str) -> None:
    value = Counted({"a": 1})
    cache.remembered("k", b"text", value)
    (entry,) = place.iterdir()
    entry.write_bytes(damage.encode("utf-8", "surrogateescape"))
    assert cache.remembered("k", b"text", value) == {"a": 1}
    assert value.calls == 2
    assert cache.remembered("k", b"text", value) == {"a": 1}
    assert value.calls == 2


@pytest.mark.parametrize("value", [{1: "number"}, (1, 2), {"a": {"b": (1,)}}, b"bytes", {"x"}, float("nan"), object()])
def test_what_json_would_change_is_not_kept(place: Path, value: Any) -> None:
    computed = Counted(value)
    assert cache.remembered("k", b"text", computed) is value
    assert cache.remembered("k", b"text", computed) is value
    assert not list(place.iterdir())


def test_an_error_is_the_caller_s(place: Path) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            cache.remembered("k", b"text", fail)
    assert not list(place.iterdir())


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o777])
def test_a_directory_that_others_may_use_is_not_used(place: Path, mode: int) -> None:
    place.mkdir(parents=True)
    place.chmod(mode)
    value = Counted(1)
    assert cache.remembered("k", b"text", value) == cache.remembered("k", b"text", value) == 1
    assert value.calls == 2
    assert not list(place.iterdir())


def test_a_link_is_not_followed(place: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    place.parent.mkdir()
    place.symlink_to(tmp_path / "elsewhere")
    assert cache.directory() is None


def test_switched_off_or_elsewhere(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MITOPATCH_CACHE", "off")
    assert cache.directory() is None
    monkeypatch.setenv("MITOPATCH_CACHE", str(tmp_path / "mine"))
    assert cache.directory() == str(tmp_path / "mine")
    assert cache.remembered("k", b"text", Counted(1)) == 1
    assert len(list((tmp_path / "mine").iterdir())) == 1
    assert not place.exists()


def test_where_nothing_can_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MITOPATCH_CACHE", os.devnull + "/below")
    assert cache.remembered("k", b"text", Counted(1)) == 1


def test_bounded(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MOST", 3)
    for number in range(5):
        cache.remembered("k", b"%d" % number, Counted(number))
        newest = max(place.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        os.utime(newest, (number, number))
    assert len(list(place.iterdir())) == 3
    again = Counted(4)
    assert cache.remembered("k", b"4", again) == 4
    assert again.calls == 0
