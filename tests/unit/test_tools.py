"""Small parts: the script reader of `mitopatch run`, the demo's comparison, the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from mitopatch import demo, launch
from mitopatch.cli import main
from mitopatch.demo import Outcome


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("#!/env/bin/python3.12\nimport x\n", "/env/bin/python3.12"),
        ("#! /env/bin/python -sE\n", "/env/bin/python"),
        ("#!/bin/sh\n'''exec' /a/very/long/path/bin/python \"$0\" \"$@\"\n' '''\n", "/a/very/long/path/bin/python"),
        ("#!/bin/sh\n'''exec' \"/a/path/bin/python\" \"$0\" \"$@\"\n' '''\n", "/a/path/bin/python"),
        ("#!/usr/bin/env python3\n", ""),
        ("\x7fELF", ""),
    ],
)
def test_interpreter_of_a_script(tmp_path: Path, text: str, found: str) -> None:
    script = tmp_path / "script"
    script.write_text(text)
    assert launch.interpreter(str(script)) == found


def test_demo_compares_before_it_shows() -> None:
    one = Outcome(0, ("a", "b"), ("f",), 1.0, 1.0, "")
    assert demo._difference(one, one._replace(wall=2.0)) is None
    assert "exit code" in str(demo._difference(one, one._replace(code=2)))
    assert "output" in str(demo._difference(one, one._replace(lines=("a",))))
    assert "files" in str(demo._difference(one, one._replace(files=())))


def test_show_of_an_unknown_series(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "1.9"]) == 2
    assert "MP133" in capsys.readouterr().err


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    assert "2.16.0 to 2.16.19" in capsys.readouterr().out
