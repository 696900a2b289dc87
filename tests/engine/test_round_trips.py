"""What an action does not wait for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("ansible", reason="ansible-core is not installed")

from mitopatch.targets import actions


class Chain:
    """Calls of a target; a receiver's answer is what one waits for."""

    def __init__(self) -> None:
        self.sent: list[tuple[Any, ...]] = []
        self.asked: list[tuple[Any, ...]] = []

    def call_no_reply(self, function: Any, *args: Any) -> None:
        self.sent.append((function.__name__, *args))

    def call_async(self, function: Any, *args: Any) -> Any:
        self.asked.append((function.__name__, *args))
        raise AssertionError("an answer is waited for")


@pytest.mark.parametrize(
    ("tmpdir", "paths", "mode", "waits"),
    [
        ("/tmp/a", ["/tmp/a", "/tmp/a/source"], "u+x", False),
        ("/tmp/a", ["/tmp/ab/source"], "u+x", True),
        ("/tmp/a", ["/tmp/a/source", "/etc/passwd"], "u+x", True),
        ("/tmp/a", ["/tmp/a/source"], "a+rx", True),
        (None, ["/tmp/a/source"], "u+x", True),
    ],
)
def test_own_files_are_made_executable_without_an_answer(tmpdir: Any, paths: list[str], mode: str, waits: bool) -> None:
    """Files that were just sent to our own directory; of any other file it may fail, and the action says so."""
    chain = Chain()
    action: Any = object.__new__(actions.ActionMixin)
    action._connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=tmpdir), get_chain=lambda: chain)
    if waits:
        with pytest.raises(AssertionError, match="waited for"):
            action._remote_chmod(paths, mode)
        assert not chain.sent
    else:
        assert action._remote_chmod(paths, mode)["rc"] == 0
        assert chain.sent == [("set_file_mode", path, mode) for path in paths]
        assert not chain.asked
