"""The text of a function: the short way agrees with the sure one, or is not believed."""

from __future__ import annotations

import argparse
import ast
import configparser
import importlib.util
import logging
import subprocess
import sys
import textwrap
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest

from mitopatch import body, fingerprint

ODD = '''
class Odd:
    def signature(
        self,
        text="# no comment",
    ):
        """A '#' here,
# and one at the left edge
        """
        # said
        return text  # said

    @staticmethod
    def after(text: str = 'it''s # no comment'): return text

    # A comment of the class.
    def last(self):
        one = """'"""  # a quote
        two = '\\\\'  # a backslash
        three = rb"\\'"  # raw
        return (
    one, two,
    three)

class Next:
    async def coroutine(self):
        return 1

    def nested(self):
        def inner():
            return 2
        return inner
'''


@pytest.fixture
def odd(tmp_path: Path) -> ModuleType:
    path = tmp_path / "odd.py"
    path.write_text(ODD)
    spec = importlib.util.spec_from_file_location("odd", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def functions(holder: Any) -> list[FunctionType]:
    return [value for value in map(fingerprint.plain, vars(holder).values()) if isinstance(value, FunctionType)]


def sure(function: FunctionType) -> body.Body:
    code = function.__code__
    text = fingerprint.source_file(code.co_filename).text(function.__qualname__, code.co_firstlineno)
    assert text is not None
    return body.from_text(text, code.co_firstlineno)


@pytest.mark.parametrize(
    "holder",
    [argparse.ArgumentParser, argparse.HelpFormatter, configparser.RawConfigParser, logging.Logger, subprocess.Popen, textwrap, ast],
)
def test_short_way_agrees_on_real_functions(holder: Any) -> None:
    here = sys.modules[holder.__module__].__file__ if isinstance(holder, type) else holder.__file__
    found = [function for function in functions(holder) if function.__code__.co_filename == here and "<" not in function.__qualname__]
    assert found
    for function in found:
        expected = sure(function)
        short = body._short_way(fingerprint.source_file(function.__code__.co_filename).lines, function.__code__.co_firstlineno)
        assert short is not None
        assert short.normal == expected.normal, function.__qualname__
        assert short.places == expected.places, function.__qualname__
        assert short.lines[: len(expected.lines)] == expected.lines


def test_what_is_found_is_right_for_odd_layouts(odd: ModuleType) -> None:
    for function in functions(odd.Odd) + functions(odd.Next):
        expected = sure(function)
        # With its fingerprint known: by whichever way. Without: what is told as found is true.
        for known in ({expected.fingerprint}, set()):
            found = body.of_function(function, known)
            assert found is not None
            assert (found.normal, found.places, found.first) == (expected.normal, expected.places, expected.first), function.__qualname__


def test_lines_lead_back_to_the_file(odd: ModuleType) -> None:
    found = body.of_function(odd.Odd.signature, set())
    assert found is not None
    lines = Path(odd.__file__ or "").read_text().splitlines()
    for place, normal in zip(found.places, found.normal):
        assert lines[found.first - 1 + place].strip().startswith(normal.strip())


def test_no_text_no_body(odd: ModuleType) -> None:
    assert body.of_function(eval("lambda: 1"), set()) is None
    path = Path(odd.__file__ or "")
    path.write_text("x = (\n")
    fingerprint.forget()
    assert body.of_function(odd.Odd.last, set()) is None
    path.unlink()
    fingerprint.forget()
    assert body.of_function(odd.Odd.last, set()) is None
