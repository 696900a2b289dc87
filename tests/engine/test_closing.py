"""What the end of a run, and the start of an interpreter, do not wait for."""

from __future__ import annotations

import signal
import sys
from types import SimpleNamespace
from typing import Any, Callable, Optional

import pytest

pytest.importorskip("ansible_mitogen.runner", reason="Ansible is not installed, or Mitogen refuses it")

import ansible_mitogen.target
import mitogen.core

from mitopatch.targets import bringup, hops, master


class Clock:
    """Stands for the timers of a broker."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self._next: Optional[Callable[[], None]] = None

    def schedule(self, when: float, func: Callable[[], None]) -> Any:
        self.waits.append(when)
        self._next = func
        return SimpleNamespace(active=False)

    def run(self) -> None:
        while self._next is not None:
            func, self._next = self._next, None
            func()


class Process:
    """Ends when it has been looked at so often, or by a signal; like a fork of Mitogen's it can be asked once after that."""

    def __init__(self, looks: int, obeys: int = 0) -> None:
        self.left = looks
        self.obeys = obeys
        self.signals: list[tuple[int, int]] = []
        self.looks = 0

    def poll(self) -> Optional[int]:
        self.looks += 1
        assert self.left >= 0, "asked after it has ended"
        self.left -= 1
        return None if self.left >= 0 else 0

    def send_signal(self, number: int) -> None:
        self.signals.append((number, self.looks))
        if number == self.obeys:
            self.left = 0


def reaped(monkeypatch: pytest.MonkeyPatch, process: Process, kill: bool = True) -> tuple[list[float], list[int]]:
    """Seconds between the looks at this process, and how often it was found ended."""
    monkeypatch.setattr(mitogen.core, "now", lambda: 0.0)
    clock, ends = Clock(), []
    reaper = hops.Reaper(broker=SimpleNamespace(timers=clock), proc=process, kill=kill, wait_on_shutdown=True)
    mitogen.core.listen(process, "exit", lambda: ends.append(1))
    reaper.reap()
    clock.run()
    return clock.waits, ends


@pytest.mark.parametrize("looks", range(hops.LOOKS + 1))
def test_the_end_of_a_process_is_seen_soon(looks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """After half as long again as it took, and not before it has ended."""
    waits, ends = reaped(monkeypatch, Process(looks))
    assert len(waits) == looks
    assert ends == [1]
    assert all(wait <= sum(waits[:number]) * 0.5 + 0.0011 for number, wait in enumerate(waits))


def test_a_process_that_stays_is_treated_as_by_mitogen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Later by these looks: it is sent SIGTERM, and SIGKILL, and is given up."""
    process = Process(1000, obeys=signal.SIGKILL)
    waits, ends = reaped(monkeypatch, process)
    assert process.signals == [(signal.SIGTERM, hops.LOOKS + 2), (signal.SIGKILL, hops.LOOKS + 6)]
    assert waits[hops.LOOKS :] == pytest.approx([0.05 * 1.72**number for number in range(6)])
    assert ends == [1]
    process = Process(1000)
    assert reaped(monkeypatch, process, kill=False)[1] == []
    assert process.signals == []


def test_an_interpreter_has_numbers_for_those_it_starts(router: Any) -> None:
    """It does not ask for them, and so need not wait for an answer; they are nobody else's."""
    context = router.local(python_path=[sys.executable])
    first, end = router.id_allocator.block_for(context.context_id)
    told = context.call(hops.init_child, log_level=40, candidate_temp_dirs=(["/tmp"], (first, end)))
    assert told["fork_context"].context_id == first
    assert router.local(python_path=[sys.executable], via=context).context_id == first + 1
    assert router.id_allocator.allocate() == end


def test_a_hop_imports_nothing_of_modules(router: Any) -> None:
    """It starts others, with the numbers it has, and tells how they ended."""
    context = router.local(python_path=[sys.executable])
    first, end = router.id_allocator.block_for(context.context_id)
    assert context.call(hops.init_child, log_level=40, candidate_temp_dirs=(None, (first, end))) is None
    behind = router.local(python_path=[sys.executable], via=context)
    assert behind.context_id == first
    for name in "ansible", "ansible_mitogen", "mitopatch.targets.onboard":
        assert not context.call(eval, f"{name!r} in __import__('sys').modules")
    behind.shutdown(wait=True)
    assert context.call(hops.exit_status, behind.context_id) in (0, -signal.SIGTERM)  # by Mitogen's own hand


@pytest.mark.parametrize("later", [False, True])
def test_the_service_tells_hops_from_ends(later: bool, router: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of two is a hop, and starts another one, once, for tasks that run there, also if it has run some before."""
    monkeypatch.setattr(ansible_mitogen.target, "init_child", hops.init_child)
    monkeypatch.setattr(mitogen.core.Message, "pickled", staticmethod(bringup.pickled))
    service = master.ContextService(router=router)
    told: list[Any] = []
    paths_of = service._get_candidate_temp_dirs
    monkeypatch.setattr(service, "_get_candidate_temp_dirs", lambda: told.append(paths_of()) or told[-1])

    def stack(*numbers: int) -> list[dict[str, Any]]:
        return [{"method": "local", "kwargs": {"python_path": [sys.executable], "name": f"n{number}"}} for number in numbers]

    if later:
        service.get(stack=stack(1))
    end = service.get(stack=stack(1, 2))
    assert [paths is None for paths, _numbers in told] == ([False, False] if later else [True, False])
    first = service.get(stack=stack(1))
    assert service.get(stack=stack(1)) is first
    assert first["via"] is end["via"]
    assert first["init_child_result"]["fork_context"].context_id != end["init_child_result"]["fork_context"].context_id
    assert end["init_child_result"]["home_dir"] == first["init_child_result"]["home_dir"]
