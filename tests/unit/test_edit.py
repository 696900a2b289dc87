"""A patched function is the original in all but its code, says in a traceback which lines are ours, and refuses what it cannot be."""

from __future__ import annotations

import difflib
import functools
import importlib.util
import inspect
import linecache
import pickle
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mitopatch import body, diffs, fingerprint, ledger
from mitopatch.declare import Bundle, Edit, Relies, Wrap
from mitopatch.diffs import Patch
from mitopatch.errors import NotApplied
from mitopatch.fingerprint import Known
from mitopatch.ledger import Ledger

TEXT = '''from __future__ import annotations

import functools

SCALE = 2


def free(a, b=SCALE):
    """Doubles."""
    # comment
    found = a * b

    return found


def register(function):
    return function


@register
def registered(a):
    return a


@functools.lru_cache()
def cached(a):
    return a


def outer(c):
    def inner(a):
        return a + c

    return inner


held = outer(1)
builtin = len


class Base:
    def size(self):
        return 1


class Thing(Base):
    __secret = 5

    def size(self, *rest: Undefined, factor: int = 3, **more) -> NotThere:
        """How large."""
        base = super().size()
        return (base + self.__secret) * factor

    size.mark = ["kept"]

    @staticmethod
    def still(a):
        return a

    @classmethod
    def of_class(cls, a):
        # what
        # it is
        return cls.__name__ + a

    class Inner:
        def name(self):
            return "inner"

    def fails(self, a):
        # The comment counts for the number of the line.

        number = int(a)
        return number
'''


WORDS = {"why": "a test", "upstream": "here", "undo_when": "never"}


@pytest.fixture
def module(tmp_path: Path) -> Iterator[ModuleType]:
    path = tmp_path / "edited.py"
    path.write_text(TEXT)
    spec = importlib.util.spec_from_file_location("edited", path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules["edited"] = made
    spec.loader.exec_module(made)
    before = dict(ledger._ORIGINALS)
    yield made
    del sys.modules["edited"]
    ledger._ORIGINALS.clear()
    ledger._ORIGINALS.update(before)
    fingerprint.forget()


def text_of(name: str) -> str:
    text = fingerprint.SourceFile(TEXT.encode()).text(name)
    assert text is not None
    return text


def patch(name: str, *changes: tuple[str, str]) -> Patch:
    """The patch that makes these changes of text in a function of the module."""
    old = body.from_text(text_of(name))
    new = text_of(name)
    for before, after in changes:
        assert before in new
        new = new.replace(before, after)
    after_lines = body.from_text(new).normal
    hunks = []
    for step, a, b, c, d in difflib.SequenceMatcher(None, old.normal, after_lines, autojunk=False).get_opcodes():
        if step != "equal":
            hunks += [f"@@ -{a + 1},{b - a} +{c + 1},{d - c} @@\n", *([f"-{b - a}\n"] if b > a else [])]
            hunks += [f"+{line}\n" for line in after_lines[c:d]]
    head = f"Target: edited:{name}\nWhy: a test\nUpstream: here\nUndo-When: never\n---\nBody: {old.fingerprint}\n"
    return diffs.parse("sample.patch", head + "".join(hunks))


def star(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> str:
    return f"*{wrapped(*args, **kwargs)}*"


def book(*declarations: Any) -> Ledger:
    return Ledger(Bundle("2.16", "test", declarations), Known({}))


def test_plain_function(module: ModuleType) -> None:
    original = module.free
    made = book(Edit(patch("free", ("found = a * b", "found = a * b + 1"))))
    assert made.apply() is None
    assert module.free is not original
    assert (module.free(3), module.free(3, 4)) == (7, 13)
    module.SCALE = 100  # the module's own globals, and a default that was made once
    assert module.free(3) == 7
    assert pickle.loads(pickle.dumps(module.free)) is module.free
    assert made.undo() is None
    assert module.free is original


def test_it_is_the_original_in_all_but_its_code(module: ModuleType) -> None:
    original = vars(module.Thing)["size"]
    change = patch("Thing.size", ("base = super().size()", "base = super().size() + self.__secret"))
    assert book(Edit(change)).apply() is None
    thing = module.Thing()
    assert thing.size() == (1 + 5 + 5) * 3
    assert thing.size(1, factor=1, x=2) == 11
    made = vars(module.Thing)["size"]
    for name in ("name", "qualname", "module", "doc", "defaults", "kwdefaults", "closure", "dict"):
        assert getattr(made, f"__{name}__") == getattr(original, f"__{name}__"), name
    assert made.__globals__ is original.__globals__
    assert made.__annotations__ == {"rest": "Undefined", "factor": "int", "return": "NotThere"}
    assert inspect.signature(made) == inspect.signature(original)
    assert not hasattr(made, "__wrapped__")
    assert made.__code__.co_firstlineno == original.__code__.co_firstlineno
    assert made.__code__.co_flags == original.__code__.co_flags


def test_descriptors_and_inner_classes(module: ModuleType) -> None:
    edits = [
        Edit(patch("Thing.still", ("return a", "return a, a"))),
        Edit(patch("Thing.of_class", ("+ a", "+ a + a"))),
        Edit(patch("Thing.Inner.name", ('"inner"', '"edited"'))),
    ]
    made = book(*edits)
    assert made.apply() is None
    assert module.Thing.still(1) == module.Thing().still(1) == (1, 1)
    assert module.Thing.of_class("x") == "Thingxx"
    assert module.Thing.Inner().name() == "edited"
    assert isinstance(vars(module.Thing)["still"], staticmethod)
    assert isinstance(vars(module.Thing)["of_class"], classmethod)
    assert made.undo() is None
    assert module.Thing.still(1) == 1


def test_traceback_shows_the_lines_that_ran_and_marks_ours(module: ModuleType) -> None:
    change = patch("Thing.fails", ("number = int(a)", "a = a.strip()\n        number = int(a)\n        number += 1"))
    assert book(Edit(change)).apply() is None
    linecache.checkcache()
    original_line = TEXT.splitlines().index("        number = int(a)") + 1
    for value, shown, line in (
        (None, "a = a.strip()  # mitopatch: sample.patch", original_line),
        ("x", "number = int(a)", original_line + 1),
    ):
        try:
            module.Thing().fails(value)
        except (AttributeError, ValueError):
            text = traceback.format_exc()
        # The second time from a cache that was checked by the first.
        assert f'File "<edited.py of edited, mitopatch: sample.patch>", line {line}, in fails\n    {shown}\n' in text
    assert "int(a)  # mitopatch" not in text
    assert inspect.getsource(module.Thing.fails).splitlines()[-3:] == [
        "        number = int(a)",
        "        number += 1  # mitopatch: sample.patch",
        "        return number",
    ]


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("registered", ("return a", "return -a"), "it is decorated: @register"),
        ("free", ("def free(a, b=SCALE):", "def free(a, c=SCALE):\n    b = c"), "changes the parameters"),
        ("Thing.Inner.name", ('"inner"', "super().name()"), "need __class__ from an enclosing scope"),
    ],
)
def test_refusals(module: ModuleType, name: str, change: tuple[str, str], said: str) -> None:
    refused(Edit(patch(name, change)), said)


def test_patched_text_that_is_not_python_is_refused(module: ModuleType) -> None:
    made = patch("free", ("found = a * b", "found = a"))
    section = made.sections[0]
    hunk = section.hunks[0]._replace(added=("    found = a *",))
    refused(Edit(made._replace(sections=(section._replace(hunks=(hunk,)),))), "not Python")


def refused(edit: Edit, said: str) -> None:
    reason = book(edit).apply()
    assert reason is not None
    assert reason.code == "MP141"
    assert said in reason.text
    assert "sample.patch" in reason.text
    assert "\n" not in reason.text


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cached", "it is a _lru_cache_wrapper and not a Python function"),
        ("builtin", "it is a builtin_function_or_method and not a Python function"),
        ("held", "it is defined inside another function"),
        ("Thing", "it is a type and not a Python function"),
    ],
)
def test_what_is_no_plain_function_is_refused(module: ModuleType, name: str, said: str) -> None:
    edit = Edit(patch("free", ("found = a * b", "found = 1")))
    edit.name = name
    refused(edit, said)


def test_function_that_somebody_wrapped_before_is_refused(module: ModuleType) -> None:
    inner = module.free
    module.free = functools.wraps(inner)(lambda a: inner(a) + 1)
    refused(Edit(patch("free", ("found = a * b", "found = 1"))), "it is decorated")


def test_unknown_body_puts_the_whole_bundle_aside(module: ModuleType) -> None:
    path = Path(module.__file__ or "")
    path.write_text(TEXT.replace("found = a * b", "found = b * a"))
    wrap = Wrap("edited", "Thing.size", star, ("self", "rest", "factor", "more"), **WORDS)
    made = book(wrap, Edit(patch("free", ("found = a * b", "found = 1"))))
    before = vars(module.Thing)["size"]
    reason = made.apply()
    assert reason is not None
    assert reason.code == "MP141"
    assert f"no section for its body {fingerprint.of_source(text_of('free').replace('a * b', 'b * a'))}" in reason.text
    assert vars(module.Thing)["size"] is before
    path.unlink()
    reason = made.apply()
    assert reason is not None
    assert "its source text cannot be read" in reason.text


def test_again_and_with_others_on_the_same_function(module: ModuleType) -> None:
    """Edit, wrap and relies on one name; applied, undone, applied again: upstream's own function is what each is built on."""
    key = "edited:Thing.of_class"
    edit = Edit(patch("Thing.of_class", ("+ a", "+ a + a")))
    known = Known({key: [fingerprint.of_source(text_of("Thing.of_class"))]})
    wrap = Wrap("edited", "Thing.of_class", star, ("cls", "a"), **WORDS)
    relies = Relies("edited", "Thing.of_class", **WORDS)
    first = Ledger(Bundle("2.16", "test", [edit, wrap, relies]), known)
    second = Ledger(Bundle("2.16", "test", [Edit(patch("Thing.of_class", ("+ a", "+ a + a")))]), known)
    original = vars(module.Thing)["of_class"]
    for made, result in ((first, "*Thingxx*"), (first, "*Thingxx*"), (second, "Thingxx"), (first, "*Thingxx*")):
        assert made.apply() is None
        assert made.apply() is None
        assert module.Thing.of_class("x") == result
        assert ledger.original(key) is original
        assert made.verify() is None  # also while it is in force: upstream's function is looked at
        assert made.undo() is None
        assert vars(module.Thing)["of_class"] is original


def test_edit_behind_a_wrap_is_refused_and_all_is_put_back(module: ModuleType) -> None:
    wrap = Wrap("edited", "free", star, ("a", "b"), **WORDS)
    original = module.free
    reason = book(wrap, Edit(patch("free", ("found = a * b", "found = 1")))).apply()
    assert reason is not None
    assert reason.code == "MP141"
    assert module.free is original


def test_what_verify_refuses_build_refuses_too(module: ModuleType) -> None:
    with pytest.raises(NotApplied, match="MP141"):
        Edit(patch("free", ("found = a * b", "found = 1"))).build(module.registered)
