"""What a worker does not do anew for each connection: the same program is started, in the same way for the one who waits for it."""

from __future__ import annotations

import inspect
import subprocess
from typing import Any

import pytest

mitogen = pytest.importorskip("mitogen.parent")

from mitopatch.targets import bringup  # noqa: E402


def test_sources_are_those_of_inspect() -> None:
    """Also for what is not remembered."""
    sources: Any = bringup._Sources()
    function = mitogen.Connection._first_stage
    assert sources.getsourcelines(function) == inspect.getsourcelines(function)
    assert sources.getsource(function) == inspect.getsource(function)
    assert sources.isfunction is inspect.isfunction


@pytest.mark.parametrize("hook", ["preexec_fn", "_preexec_hook"])
def test_a_hook_in_the_child_runs(hook: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Whoever gives one gets it; without one there is no function in the child."""
    seen = tmp_path / "seen"
    given: list[Any] = []
    upstream = subprocess.Popen

    def popen(**kwargs: Any) -> Any:
        given.append(kwargs.get("preexec_fn"))
        return upstream(**kwargs)

    monkeypatch.setattr(subprocess, "Popen", popen)
    assert bringup.popen(args=["true"]).wait(20) == 0
    assert given == [None]
    if hook == "preexec_fn":
        assert bringup.popen(args=["true"], preexec_fn=seen.touch).wait(20) == 0
    else:
        monkeypatch.setattr(mitogen, "_preexec_hook", seen.touch)
        assert bringup.popen(args=["true"], preexec_fn=None).wait(20) == 0
    assert given[1] is not None
    assert seen.exists()
