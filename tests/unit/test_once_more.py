"""A failed test is tried once more in CI, alone; one that fails again has failed, and so have many at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import once_more

TESTS = """
import pathlib, pytest
HERE = pathlib.Path(__file__).parent
@pytest.mark.parametrize("number", range({count}))
def test(number):
    seen = HERE / str(number)
    first = not seen.exists()
    seen.touch()
    assert not (first if {first_only} else True)
def test_right():
    pass
"""


@pytest.mark.parametrize(
    ("count", "first_only", "in_ci", "status", "flaky"),
    [
        (0, True, True, 0, False),
        (1, True, True, 0, True),
        (2, True, True, 0, True),
        (1, False, True, 1, False),
        (1, True, False, 1, False),
        (once_more.MOST + 1, True, True, 1, False),
    ],
)
def test_once_more(
    count: int, first_only: bool, in_ci: bool, status: int, flaky: bool, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "test_some.py").write_text(TESTS.format(count=count, first_only=first_only))
    arguments = ["-q", "--rootdir", str(tmp_path), str(tmp_path)]
    assert once_more.main(arguments, tmp_path / "cache", in_ci) == status
    assert ("FLAKY" in capfd.readouterr().out) is flaky


def test_an_error_is_no_failure(tmp_path: Path) -> None:
    assert once_more.main(["--no-such-option"], tmp_path / "cache", True) == 4
