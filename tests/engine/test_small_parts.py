"""Wake, Clock, Slot, Stage and the engine's switches."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from mitopatch.runtime import settings
from mitopatch.runtime.pool import ending
from mitopatch.runtime.slot import PATIENCE, ReplyQueue, Slot
from mitopatch.runtime.states import ALLOWED, Stage, State
from mitopatch.runtime.wake import Clock, Wake


class ClearsFirst(Wake):
    """[test] The wrong order: a set between two waits is thrown away."""

    def wait(self, seconds: float) -> None:
        self._event.clear()
        self._event.wait(seconds)


def seconds_to_see(wake: Wake, longest: float) -> float:
    """How long a waiter needs to see what was made true before it began to wait."""
    wake.set()
    began = time.monotonic()
    wake.wait(longest)
    return time.monotonic() - began


def test_a_set_before_the_wait_ends_it() -> None:
    assert seconds_to_see(Wake(), 30) < 10
    assert seconds_to_see(ClearsFirst(), 0.3) >= 0.3, "the test sees the wrong order"


def test_no_wake_up_is_lost() -> None:
    """Many threads count and wake; a waiter that is allowed to sleep for minutes sees every count."""
    wake, counted, threads, each = Wake(), [0] * 8, 8, 400

    def count(which: int) -> None:
        for _ in range(each):
            counted[which] += 1
            wake.set()

    runners = [threading.Thread(target=count, args=(which,), daemon=True) for which in range(threads)]
    for runner in runners:
        runner.start()
    deadline = time.monotonic() + 60
    while sum(counted) < threads * each:
        assert time.monotonic() < deadline
        wake.wait(120)
    assert time.monotonic() < deadline
    for runner in runners:
        runner.join(10)


def test_ping_pong() -> None:
    """Two waiters that wait for each other: a single lost wake-up would stop both."""
    here, there, state, rounds = Wake(), Wake(), {"turn": 0}, 3000

    def play(mine: Wake, other: Wake, parity: int) -> None:
        while state["turn"] < rounds:
            if state["turn"] % 2 == parity:
                state["turn"] += 1
                other.set()
            else:
                mine.wait(60)
        other.set()

    began = time.monotonic()
    players = [
        threading.Thread(target=play, args=(*wakes, parity), daemon=True) for parity, wakes in ((0, (here, there)), (1, (there, here)))
    ]
    for player in players:
        player.start()
    for player in players:
        player.join(50)
    assert state["turn"] == rounds
    assert time.monotonic() - began < 50


def test_clock_is_the_module_but_for_sleep() -> None:
    asked: list[float] = []
    clock = Clock(lambda seconds: bool(asked.append(seconds)) or True)
    began = time.monotonic()
    clock.sleep(50)
    assert asked == [50]
    assert time.monotonic() - began < 10
    assert clock.time is time.time
    assert clock.monotonic is time.monotonic
    began = time.monotonic()
    Clock(lambda seconds: False).sleep(0.05)
    assert time.monotonic() - began >= 0.05, "nobody waits for us: a real sleep"


class Process:
    """[test] Upstream's worker as a slot sees it."""

    pid = 4711
    exitcode: Any = None
    worker_queue = "queue of the fork"

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def is_alive(self) -> bool:
        return self.exitcode is None

    def fail(self) -> bool:
        raise ValueError("process object is closed")

    def __getattr__(self, name: str) -> Any:
        return lambda *args: self.calls.append((name, *args))


def test_slot_of_a_persistent_worker() -> None:
    started: list[Slot] = []
    slot = Slot(started.append, 3, "task")
    assert not slot.is_alive()
    # What the free strategy looks at to count the hosts that run a task with throttle.
    assert slot._task == "task"
    slot.start()
    assert started == [slot]
    assert (slot.is_alive(), slot.exitcode, slot.pid, slot.worker_id, slot.forked) == (True, None, None, 3, False)
    slot.done()
    assert (slot.is_alive(), slot.exitcode) == (False, 0)
    for method in (slot.terminate, slot.join, slot.close):
        method()


def test_slot_that_ends_while_it_starts() -> None:
    """The result may arrive before ``start`` has returned."""
    slot = Slot(lambda slot: slot.done(), 0)
    slot.start()
    assert (slot.is_alive(), slot.exitcode) == (False, 0)


def test_slot_of_a_crashed_task() -> None:
    """Upstream ends the run when it sees an exit status that is neither 0 nor None."""
    slot = Slot(lambda slot: None, 0)
    slot.start()
    slot.crashed()
    assert (slot.is_alive(), slot.exitcode) == (False, 1)


def test_slot_that_forks() -> None:
    process = Process()
    slot = Slot(lambda slot: slot.take_fork(process), 0)
    slot.worker_queue = ReplyQueue(lambda value: None)
    slot.start()
    assert slot.forked
    assert slot.worker_queue == "queue of the fork"
    assert (slot.is_alive(), slot.exitcode, slot.pid) == (True, None, 4711)
    process.exitcode = -9
    assert (slot.is_alive(), slot.exitcode) == (False, -9)
    slot.join(1.5)
    slot.close()
    process.is_alive = process.fail  # type: ignore[method-assign]
    assert not slot.is_alive(), "a closed process raises"
    assert process.calls == [("start",), ("join", 1.5), ("close",)]


def forked(process: Any) -> Slot:
    slot = Slot(lambda slot: slot.take_fork(process), 0)
    slot.start()
    return slot


def test_a_fork_that_is_about_to_end_is_not_made_to() -> None:
    """It may hold the lock of the queue that its result is on."""
    process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(PATIENCE / 20,))
    slot = forked(process)
    slot.terminate()
    slot.join(10)
    assert slot.exitcode == 0


def test_a_fork_that_does_not_end_is_made_to() -> None:
    slot = forked(multiprocessing.get_context("fork").Process(target=threading.Event().wait))
    slot.terminate()
    slot.join(10)
    assert slot.exitcode == -signal.SIGTERM


def test_forks_that_do_not_end_share_what_patience_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupted run does not wait for each of its forks; those of a later play have a patience of their own."""
    now = 1000.0
    waited: list[float] = []

    def join(seconds: float) -> None:
        nonlocal now
        now += seconds
        waited.append(round(seconds, 3))

    monkeypatch.setattr("mitopatch.runtime.slot.time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr(Slot, "_patient_until", 0.0)
    for _ in range(2):
        for _ in range(3):
            process = Process()
            process.join = join
            forked(process).terminate()
            assert process.calls == [("start",), ("terminate",)]
        now += 10
    assert waited == [PATIENCE, 0, 0] * 2


@pytest.mark.parametrize("start", State)
@pytest.mark.parametrize("end", State)
def test_states(start: State, end: State) -> None:
    stage = Stage()
    stage.state = start
    if end in ALLOWED[start]:
        stage.to(end)
        assert stage.state is end
    else:
        with pytest.raises(RuntimeError, match=f"{start.value} to {end.value}"):
            stage.to(end)
        assert stage.state is start


def test_states_end_in_death() -> None:
    """Whatever the way, a worker ends dead, and the dead do not rise."""
    assert set(ALLOWED) == set(State)
    assert not ALLOWED[State.DEAD]
    assert all(State.DEAD in ALLOWED[state] for state in State if state is not State.DEAD)
    assert all(State.NEW not in following for following in ALLOWED.values())


@pytest.mark.parametrize(("text", "wanted"), [("3", 3), (" 12 ", 12), ("1", 1), ("0", None), ("-2", None), ("many", None), ("", None)])
def test_number_of_workers(monkeypatch: pytest.MonkeyPatch, text: str, wanted: Any) -> None:
    monkeypatch.setenv("MITOPATCH_WORKERS", text)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert settings.workers() == (wanted or cores)


def test_number_of_workers_without_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    """macOS has no sched_getaffinity, and a machine may not tell its number of cores."""
    monkeypatch.delenv("MITOPATCH_WORKERS", raising=False)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert settings.workers() == 1


def test_fork_actions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MITOPATCH_FORK_ACTIONS", " mine, ns.col.other ,,")
    assert settings.fork_actions() == settings.FORK_ACTIONS | {"mine", "ns.col.other"}
    assert "pause" in settings.fork_actions()


def test_pid_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MITOPATCH_PIDFILE", "")
    assert settings.pid_file() is None
    monkeypatch.setenv("MITOPATCH_PIDFILE", "/some/where")
    assert settings.pid_file() == "/some/where"


def test_how_a_process_ended() -> None:
    assert ending(-9) == "was killed by SIGKILL"
    assert ending(3) == "ended with exit status 3"
    assert ending(-200) == "was killed by signal 200"
