"""A target's Python: the command that finds it, and which connections it stands for."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ansible", reason="ansible-core is not installed")

from mitopatch.targets.discovery import Found
from mitopatch.targets.onboard import EXECUTABLE


def stack(*pythons: Any, host: str = "h1") -> list[dict[str, Any]]:
    methods = ("ssh", "sudo")
    return [{"method": method, "kwargs": {"hostname": host, "python_path": path}} for method, path in zip(methods, pythons)]


@pytest.mark.parametrize("there", ["no-such-python", sys.executable])
def test_the_first_that_is_there_is_started(tmp_path: Path, there: str) -> None:
    (tmp_path / "with a space").symlink_to(sys.executable)
    names = ["/no/such/one", there, str(tmp_path / "with a space")]
    (command,) = Found().candidates(names)
    program = "import sys; print(sys.executable, *sys.argv[1:])"
    done = subprocess.run([*shlex.split(command), "-c", program, "a b"], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == f"{there if there == sys.executable else names[2]} a b\n"
    assert Found().candidates([command]) == [command]


def test_none_is_there() -> None:
    (command,) = Found("/no/such/either").candidates(["/no/such/one", "no-such-python"])
    assert subprocess.run([*shlex.split(command), "-c", "1"], timeout=60, check=False, capture_output=True).returncode == 127
    assert "/no/such/either /no/such/one" in command


def test_connections_are_kept() -> None:
    found = Found()
    finder = shlex.split(found.candidates(["python3"])[0])
    wanted = stack(["/usr/bin/python3"])
    assert found.kept(wanted) is wanted
    found.connected(stack(["/opt/python"]), {EXECUTABLE: "/opt/python"})
    assert found.kept(wanted) is wanted
    found.connected(stack(finder), {EXECUTABLE: "/usr/bin/python3"})
    assert found.kept(wanted) == stack(finder)
    for other in (stack(["/opt/python"]), stack(["/usr/bin/python3"], host="h2"), stack(["/usr/bin/python3", "-E"]), stack(finder)):
        assert found.kept(other) is other
    # The user whom a task becomes may find another Python: that part is made with what was asked for.
    assert found.kept(stack(["/usr/bin/python3"], ["/usr/bin/python3"])) == stack(finder, ["/usr/bin/python3"])


def test_a_python_that_changed_is_asked_for_by_name() -> None:
    found = Found()
    finder = shlex.split(found.candidates(["python3"])[0])
    wanted = stack(["/usr/bin/python3"])
    found.connected(stack(finder), {EXECUTABLE: "/usr/bin/python3"})
    assert found.still(wanted, {EXECUTABLE: "/usr/bin/python3"})
    assert not found.still(wanted, {EXECUTABLE: "/usr/local/bin/python3"})
    assert found.kept(wanted) is wanted
