"""Fingerprints: what must not matter does not, what matters does, memory and file agree."""

from __future__ import annotations

import functools
import json
import sys
import textwrap
import types
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitopatch import fingerprint
from mitopatch.fingerprint import Known

BODY = '''\
@decorated
def sample(self, first, *rest, key=None, **more):
    """A docstring with # no comment
in it, further left."""
    text = "# not a comment"
    if first:
        return f"{text!r:#>3}"
    return rest
'''


@given(
    st.lists(st.sampled_from(["", "   ", "# a comment", "    # an indented comment"]), min_size=9, max_size=9), st.sampled_from([0, 4, 8])
)
def test_comments_blank_lines_and_indentation_do_not_matter(noise: list[str], depth: int) -> None:
    lines = BODY.splitlines()
    noisy = []
    for line, extra in zip(lines, noise):
        # A definition begins at its first line, and inside the docstring an added line is text, not noise.
        noisy += [line] if "@" in line or "in it, further left" in line else [extra, line]
    text = "\n".join(" " * depth + line if line.strip() else line for line in noisy) + "\n"
    plain = "\n".join(" " * depth + line for line in lines) + "\n"
    assert fingerprint.of_source(text) == fingerprint.of_source(plain)


@given(st.integers(min_value=1, max_value=7), st.sampled_from("abcxyz0"))
def test_any_other_character_matters(row: int, character: str) -> None:
    lines = BODY.splitlines()
    lines[row] += character if row == 2 else f"; {character}" if row == 4 else f"  {character}"
    try:
        changed = fingerprint.of_source("\n".join(lines) + "\n")
    except (SyntaxError, IndentationError):
        return
    assert changed != fingerprint.of_source(BODY)


def test_trailing_comment_is_removed_and_a_hash_in_a_string_is_not() -> None:
    assert fingerprint.normalise("x = '#'  # why\n") == "x = '#'"


def test_value_is_the_same_on_every_python() -> None:
    # Written down once; a Python that tokenizes otherwise fails here and not at a user's.
    assert fingerprint.of_source(BODY) == "4153be4b75414495"


@pytest.fixture
def module(tmp_path: Path) -> types.ModuleType:
    path = tmp_path / "fp_sample.py"
    path.write_text(
        textwrap.dedent(
            """\
            import functools

            def around(function):
                @functools.wraps(function)
                def inner(*args):
                    return function(*args)
                return inner

            class Base:
                def __init__(self, one, *, two):  # comment
                    self.one = one

            class Thing(Base):
                @staticmethod
                def still(a, b=1):
                    return a

                @around
                def wrapped(self, x):
                    return x

                if True:
                    def chosen(self):
                        return 1
                else:
                    def chosen(self):
                        return 2
            """
        )
    )
    sys.path.insert(0, str(tmp_path))
    try:
        import fp_sample  # type: ignore[import-not-found]

        yield fp_sample
    finally:
        sys.path.remove(str(tmp_path))
        del sys.modules["fp_sample"]
        fingerprint.forget()


@pytest.mark.parametrize("name", ["Base", "Base.__init__", "Thing.still", "Thing.wrapped", "around"])
def test_memory_and_file_agree(module: types.ModuleType, name: str) -> None:
    value = functools.reduce(lambda parent, part: vars(parent)[part], name.split("."), module)
    text = fingerprint.SourceFile(Path(module.__file__).read_bytes()).text(name)
    assert text is not None
    assert fingerprint.of_object(value) == fingerprint.of_source(text)


def test_of_two_definitions_memory_takes_the_one_that_runs(module: types.ModuleType) -> None:
    taken = fingerprint.of_object(module.Thing.chosen)
    assert taken == fingerprint.of_source("def chosen(self):\n    return 1\n")


def test_what_has_no_source_has_no_fingerprint() -> None:
    assert fingerprint.of_object(len) is None
    assert fingerprint.of_object(dict) is None
    assert fingerprint.SourceFile(Path(__file__).read_bytes()).text("Nothing.here") is None


def test_parameters(module: types.ModuleType) -> None:
    def every(a, b=1, *rest, key, **more): ...  # type: ignore[no-untyped-def]

    assert fingerprint.parameters(every) == ("a", "b", "rest", "key", "more")
    assert fingerprint.parameters(module.Thing) == ("self", "one", "two")
    assert fingerprint.parameters(vars(module.Thing)["still"]) == ("a", "b")
    assert fingerprint.parameters(module.Thing.wrapped) == ("self", "x")
    assert fingerprint.parameters(len) is None


def test_known_by_body_and_by_file(module: types.ModuleType) -> None:
    key, value = "fp_sample:Thing.still", vars(module.Thing)["still"]
    body = fingerprint.of_object(value)
    whole = fingerprint.of_file(Path(module.__file__).read_bytes())
    assert Known({key: [body]}).check(key, module, value) is None
    assert Known({key: ["something else"]}, {"fp_sample": [whole]}).check(key, module, value) is None
    assert Known({key: ["something else"]}).check(key, module, value) == body
    # A file that is known does not vouch for a symbol nobody recorded, nor for a function somebody else put there.
    assert Known({}, {"fp_sample": [whole]}).check(key, module, value) == body
    assert Known({key: [body]}, {"fp_sample": [whole]}).check(key, module, lambda a, b=1: a) is not None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"symbols": 3, "files": {}}', '{"symbols": {"a:b": 1}, "files": {}}'])
def test_damaged_table_is_a_value_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "2.16.json"
    path.write_text(text)
    with pytest.raises(ValueError):  # noqa: PT011 - the kind is the contract, the text is Python's
        Known.load(str(path))


def test_table_is_read(tmp_path: Path) -> None:
    path = tmp_path / "2.16.json"
    path.write_text(json.dumps({"symbols": {"m:A": {"x": "2.16.0", "z": "2.16.1"}}, "files": {"m": {"y": "2.16.0"}}}))
    known = Known.load(str(path))
    assert known.symbols == {"m:A": frozenset({"x", "z"})}
    assert known.files == {"m": frozenset({"y"})}
