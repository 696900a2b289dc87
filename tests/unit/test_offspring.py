"""Which processes a worker takes along when it leaves in the midst of tasks."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from mitopatch.runtime import offspring

#: A process that tells its number once it is a program of its own, no longer a copy of who started it.
SLEEPER = "sh -c 'echo $$; exec sleep 60'"
#: Stands for an interpreter of Mitogen's, which has brought up another process.
INTERPRETER = """exec -a "python(mitogen:me@here:1)" bash -c 'eval "exec $SLEEPER" & wait; :'"""


@pytest.fixture(params=["/proc", "/no/such/directory"])
def table(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With /proc, and without."""
    monkeypatch.setattr(offspring, "PROC", request.param)


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that are ended after the test."""
    found: list[subprocess.Popen[str]] = []
    yield found
    for process in found:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def start(started: list[subprocess.Popen[str]], command: str) -> tuple[subprocess.Popen[str], int]:
    """Start a shell, whose arguments do not say what it runs, that tells the number of a process of its own."""
    environment = {**os.environ, "PROGRAM": command, "SLEEPER": SLEEPER}
    process = subprocess.Popen(["bash", "-c", 'eval "$PROGRAM"'], env=environment, stdout=subprocess.PIPE, text=True)
    started.append(process)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def below_this(*processes: int) -> dict[int, str]:
    """What is below this process, but only these: other tests have servers that are ours too, and must not be ended."""
    return {pid: born for pid, born in offspring.below(os.getpid()).items() if pid in processes}


@pytest.mark.usefixtures("table")
def test_all_below_end(started: list[subprocess.Popen[str]]) -> None:
    """Children and their children."""
    shell, sleeper = start(started, 'eval "exec $SLEEPER" & wait')
    found = below_this(shell.pid, sleeper)
    assert {shell.pid, sleeper} == set(found)
    offspring.end(found)
    assert shell.wait(10) == -signal.SIGTERM


@pytest.mark.usefixtures("table")
def test_interpreters_stay(started: list[subprocess.Popen[str]]) -> None:
    """Neither Mitogen's interpreter nor who started it; what it has started goes."""
    starter, sleeper = start(started, f"({INTERPRETER}); :")
    found = below_this(starter.pid, sleeper)
    assert set(found) == {sleeper}
    interpreters = set(offspring.below(starter.pid)) - {sleeper}
    assert not interpreters
    offspring.end(found)
    assert starter.wait(10) == 0


def test_a_number_that_is_used_again(started: list[subprocess.Popen[str]]) -> None:
    """A process of the same number that was started at another time is not meant."""
    shell, _ = start(started, "echo 1; exec sleep 60")
    offspring.end({shell.pid: "another time", 2**22 + 1: "none"})
    assert shell.poll() is None
