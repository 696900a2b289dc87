"""The ledger on a module of its own: one transaction, first original kept, undone backwards."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from typing import Any, Optional

import pytest

from mitopatch import ledger
from mitopatch.declare import MISSING, Bundle, Declaration, Relies, Replace, Site, StandIn, Wrap
from mitopatch.fingerprint import Known, of_object
from mitopatch.ledger import Ledger

WORDS = {"why": "a test", "upstream": "here", "undo_when": "never"}


def free(a: int) -> str:
    return f"free {a}"


class Base:
    def inherited(self, a: int) -> str:
        return f"inherited {a}"


class Thing(Base):
    def __init__(self, size: int = 0) -> None:
        self.size = size

    def method(self, a: int) -> str:
        return f"method {a}"

    @staticmethod
    def still(a: int) -> str:
        return f"still {a}"

    @classmethod
    def of_class(cls, a: int) -> str:
        return f"{cls.__name__} {a}"


@pytest.fixture(autouse=True)
def target() -> Iterator[types.ModuleType]:
    module = types.ModuleType("ledger_target")
    module.__file__ = __file__
    module.free = free
    module.Thing = type("Thing", (Base,), {k: v for k, v in vars(Thing).items() if k not in ("__dict__", "__weakref__")})
    sys.modules["ledger_target"] = module
    before = dict(ledger._ORIGINALS)
    yield module
    del sys.modules["ledger_target"]
    ledger._ORIGINALS.clear()
    ledger._ORIGINALS.update(before)


def star(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> str:
    return f"*{wrapped(*args, **kwargs)}*"


def wrap(name: str, signature: tuple[str, ...] = ("self", "a")) -> Wrap:
    return Wrap("ledger_target", name, star, signature, **WORDS)


def book(*declarations: Declaration, known: Optional[Known] = None, **hooks: Any) -> Ledger:
    return Ledger(Bundle("2.16", "test", declarations, **hooks), known or Known({}))


def states(of: Ledger) -> list[str]:
    return [entry.state for entry in of.entries]


@pytest.mark.parametrize("field", ["why", "upstream", "undo_when"])
def test_declaration_without_a_reason_does_not_load(field: str) -> None:
    with pytest.raises(ValueError, match=field):
        Relies("m", "n", **{**WORDS, field: " "})


def test_wrap_each_kind_of_attribute_and_take_it_back(target: Any) -> None:
    before = {name: vars(target.Thing).get(name, MISSING) for name in ("method", "still", "of_class", "inherited")}
    of = book(
        wrap("Thing.method"),
        wrap("Thing.still", ("a",)),
        wrap("Thing.of_class", ("cls", "a")),
        wrap("Thing.inherited"),
        wrap("free", ("a",)),
    )
    assert states(of) == ["pending"] * 5
    assert of.apply() is None
    assert states(of) == ["applied"] * 5
    thing = target.Thing()
    assert [thing.method(1), thing.still(1), thing.of_class(1), thing.inherited(1), target.free(1)] == [
        "*method 1*",
        "*still 1*",
        "*Thing 1*",
        "*inherited 1*",
        "*free 1*",
    ]
    assert Base().inherited(1) == "inherited 1", "only the class named is touched"
    assert of.undo() is None
    assert states(of) == ["undone"] * 5
    assert {name: vars(target.Thing).get(name, MISSING) for name in before} == before
    assert target.free is free


def test_applying_twice_wraps_once_and_keeps_the_first_original(target: Any) -> None:
    of = book(wrap("free", ("a",)))
    assert of.apply() is of.apply() is None
    assert target.free(1) == "*free 1*"
    again = book(wrap("free", ("a",)))
    assert again.apply() is None, "another ledger may stand on top: its signature check sees upstream's function"
    assert target.free(1) == "**free 1**"
    assert ledger.original("ledger_target:free") is free
    assert of.undo().code == "MP113"
    assert target.free(1) == "**free 1**"
    assert again.undo() is of.undo() is None
    assert target.free is free


def test_undone_bundle_can_be_applied_again(target: Any) -> None:
    of = book(wrap("free", ("a",)))
    for _ in range(3):
        assert of.apply() is None
        assert target.free(2) == "*free 2*"
        assert of.undo() is None
        assert target.free is free


def test_two_entries_on_one_name(target: Any) -> None:
    of = book(wrap("free", ("a",)), wrap("free", ("a",)))
    assert of.apply() is None
    assert target.free(1) == "**free 1**"
    assert of.undo() is None
    assert target.free is free


def test_stand_in_sees_the_function_and_keeps_the_descriptor(target: Any) -> None:
    def make(original: Any) -> Any:
        return lambda a: original(a).upper()

    of = book(StandIn("ledger_target", "Thing.still", make, signature=("a",), **WORDS))
    assert of.apply() is None
    assert target.Thing.still(1) == target.Thing().still(1) == "STILL 1"
    assert isinstance(vars(target.Thing)["still"], staticmethod)


def test_stand_in_for_a_class_checks_its_constructor(target: Any) -> None:
    class Other:
        pass

    good = book(StandIn("ledger_target", "Thing", lambda original: Other, signature=("self", "size"), **WORDS))
    assert good.apply() is None
    assert target.Thing is Other
    assert good.undo() is None
    bad = book(StandIn("ledger_target", "Thing", lambda original: Other, signature=("self", "weight"), **WORDS))
    assert bad.apply().code == "MP109"
    assert target.Thing is not Other


def test_replace_and_relies_need_a_known_body(target: Any) -> None:
    declared = Replace("ledger_target", "free", lambda a: "ours", signature=("a",), **WORDS)
    assert book(declared).apply().code == "MP108"
    assert target.free is free
    known = Known({"ledger_target:free": [of_object(free)]})
    of = book(declared, known=known)
    assert of.apply() is None
    assert target.free(1) == "ours"
    assert book(Relies("ledger_target", "free", **WORDS), known=known).apply() is None, "the body upstream had is what counts"


@pytest.mark.parametrize(
    ("bad", "code", "state"),
    [
        (Wrap("ledger_target", "Thing.method", star, ("self", "b"), **WORDS), "MP109", "refused"),
        (Wrap("ledger_target", "Thing.gone", star, ("self",), **WORDS), "MP110", "refused"),
        (Wrap("ledger_target.nowhere", "Thing", star, ("self",), **WORDS), "MP110", "refused"),
        (Relies("ledger_target", "Thing.method", **WORDS), "MP108", "refused"),
        (StandIn("ledger_target", "Thing.method", lambda original: 1 / 0, **WORDS), "MP112", "failed"),
    ],
)
def test_one_refusal_or_failure_leaves_nothing_applied(target: Any, bad: Declaration, code: str, state: str) -> None:
    of = book(wrap("free", ("a",)), bad, wrap("Thing.still", ("a",)))
    reason = of.apply()
    assert reason.code == code
    assert of.entries[1].state == state
    assert "applied" not in states(of)
    assert target.free is free
    assert target.Thing.still(1) == "still 1"
    assert not of.applied


def test_failure_of_begin_puts_everything_back(target: Any) -> None:
    of = book(wrap("free", ("a",)), begin=lambda: 1 / 0)
    assert of.apply().code == "MP114"
    assert target.free is free
    assert states(of) == ["undone"]


def test_begin_runs_last_and_end_first(target: Any) -> None:
    seen: list[str] = []
    of = book(wrap("free", ("a",)), begin=lambda: seen.append(target.free(1)), end=lambda: seen.append(target.free(2)))
    assert of.apply() is of.undo() is None
    assert seen == ["*free 1*", "*free 2*"]


def test_interrupt_in_the_middle_leaves_nothing_applied(target: Any) -> None:
    def interrupted(original: Any) -> Any:
        raise KeyboardInterrupt

    of = book(wrap("free", ("a",)), StandIn("ledger_target", "Thing.method", interrupted, **WORDS))
    with pytest.raises(KeyboardInterrupt):
        of.apply()
    assert target.free is free


def test_a_value_that_does_not_stay_is_noticed(target: Any) -> None:
    class Stubborn(type):
        def __setattr__(cls, name: str, value: Any) -> None:
            pass

    target.Thing = Stubborn("Thing", (), {"method": Thing.method})
    of = book(wrap("free", ("a",)), wrap("Thing.method"))
    assert of.apply().code == "MP111"
    assert target.free is free


def test_undo_refuses_under_somebody_elses_patch(target: Any) -> None:
    of = book(wrap("free", ("a",)))
    of.apply()
    ours, target.free = target.free, lambda a: "theirs"
    assert of.undo().code == "MP113"
    assert of.applied
    assert target.free(1) == "theirs"
    target.free = ours
    assert of.undo() is None


def test_site_of_an_inherited_name(target: Any) -> None:
    site = Site(target, "Thing.inherited")
    assert site.own is MISSING
    assert site.value is vars(Base)["inherited"]


def test_current() -> None:
    of = book()
    ledger.make_current(of)
    try:
        assert ledger.current() is of
    finally:
        ledger.make_current(None)
