"""The pool with real forks and without Ansible: every job ends exactly once, whoever dies, and nobody stays behind."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from testbed.processes import alive, wait_gone

from mitopatch.runtime import child, frames
from mitopatch.runtime.objects import Registry, Unshippable
from mitopatch.runtime.pool import NoWorker
from mitopatch.runtime.states import MAX_REPLACEMENTS, STOP_SECONDS, TERM_SECONDS
from tests.engine.seams import CONTEXT, FakeController, Rig, Task, sockets

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork.*:DeprecationWarning")

LONGEST_STOP = STOP_SECONDS + 2 * TERM_SECONDS + 1.5
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def rigs() -> Iterator[Callable[..., Rig]]:
    made: list[Rig] = []
    pids: list[psutil.Process] = []

    def make(size: Any = 2) -> Rig:
        rig = Rig(size)
        start = rig.pool._start

        def noted(index: int) -> Any:
            worker = start(index)
            with contextlib.suppress(psutil.NoSuchProcess):  # some end at once
                pids.append(psutil.Process(worker.process.pid))
            return worker

        rig.pool._start = noted  # type: ignore[method-assign]
        made.append(rig)
        return rig

    yield make
    for rig in made:
        began = time.monotonic()
        rig.pool.stop()
        assert time.monotonic() - began < LONGEST_STOP
    assert not wait_gone(pids, 2), "a worker was left behind"


@pytest.fixture
def rig(rigs: Callable[..., Rig]) -> Rig:
    made: Rig = rigs(2)
    return made


def test_jobs_end_exactly_once(rig: Rig) -> None:
    """Hundreds of jobs of every kind; each is told its own end, once, and every result arrives once."""
    wanted = {
        "result": "done",
        "hand back": "back: not for a thread",
        "cannot prepare": "back: its variables: ValueError: undefined",
        "raise": "crashed",
        "no result": "crashed",
    }
    tasks = {what: Task(what) for what in wanted}
    sent = [(what, rig.send(f"h{number}", tasks[what])) for number in range(80) for what in wanted]
    rig.until(lambda: not rig.pool.in_flight() and all(ends.how for _, ends in sent))
    assert all(ends.how == [wanted[what]] for what, ends in sent)
    numbers = [found["number"] for found in rig.seam.forwarded]
    assert len(numbers) == len(set(numbers)) == 80
    assert not rig.seam.lost_hosts
    assert not rig.seam.warnings


def test_nothing_starts_before_the_first_job(rig: Rig) -> None:
    """Messages before that are in the fork already."""
    task = Task("result", early=True)
    rig.pool.broadcast(frames.OPERATION, b"never unpickled")
    assert rig.pool.share(task) == 1
    task.early = False
    assert rig.pool.share(task) == 1
    assert not rig.pool.started
    assert rig.pids() == []
    rig.send("h", task)
    rig.until(lambda: "h" in rig.results())
    assert len(rig.pids()) == 1, "the second worker is not needed yet"
    assert rig.results()["h"]["task"]["early"] is False


def test_messages_come_before_the_jobs_sent_later(rig: Rig) -> None:
    """Each job sees exactly what was sent before it, in that order; no job sees the future."""
    task = Task("result")
    hosts = ("a", "b")
    for host in hosts:
        rig.send(host, task)
    rig.until(lambda: len(rig.results()) == 2)
    told: list[Any] = []
    jobs = []
    for number in range(120):
        if number % 4 == 0:
            rig.pool.broadcast(frames.HOST_OPERATION, pickle.dumps((f"h{number}", pickle.dumps(number))))
            told.append(("note", f"h{number}", number))
        elif number % 4 == 1:
            rig.pool.broadcast(frames.STATE, rig.pool.registry.dump((number,)))
            told.append(("state", number))
        else:
            rig.pool.broadcast(frames.OPERATION, rig.pool.registry.dump(("set", number, b"x" * (number * 1000))))
            told.append(("set", number, b"x" * (number * 1000)))
        task.step = number
        jobs.append((rig.send(hosts[number % 2], task), list(told), number))
    rig.until(lambda: all(ends.how for ends, _, _ in jobs))
    found = {result["task"].get("step"): result for result in rig.seam.forwarded}
    for _, seen, number in jobs:
        assert found[number]["log"] == seen, number


def test_items_come_before_their_result(rig: Rig) -> None:
    """What a task reports on its way (items, messages) is forwarded before its end is told, and in order."""
    ends = [rig.send(f"h{n}", Task("items", count=30)) for n in range(6)]
    rig.until(lambda: all(end.how for end in ends))
    for n in range(6):
        mine = [item for item in rig.seam.forwarded if (item["host"] if isinstance(item, dict) else item[1]) == f"h{n}"]
        assert mine[:-1] == [("item", f"h{n}", number) for number in range(30)]
        assert isinstance(mine[-1], dict)


def test_objects_are_sent_once_and_changes_once(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    broadcast = rig.pool.broadcast
    monkeypatch.setattr(rig.pool, "broadcast", lambda kind, *rest: sent.append(kind) or broadcast(kind, *rest))
    task = Task("result", name="one")
    rig.send("h", task)
    later = Task("result", name="two", before=task)
    for _ in range(3):
        rig.send("h", later)
    # A host has one task at a time; these have a thread each, and may end in any order.
    rig.until(lambda: not rig.pool.in_flight())
    later.name = "three"
    for _ in range(3):
        rig.send("h", later)
    rig.until(lambda: not rig.pool.in_flight())
    assert sent == [frames.OBJECTS, frames.OBJECTS, frames.UPDATE]
    assert rig.results()["h"]["task"]["name"] == "three"


def test_a_change_that_cannot_be_sent_is_not_forgotten(rig: Rig) -> None:
    """The job takes another route; when the attribute can be sent again, it is."""
    task = Task("result", args="first")
    rig.send("h", task)
    task.args, task.name = threading.Lock(), "new"  # type: ignore[attr-defined]
    for _ in range(2):
        with pytest.raises(Unshippable):
            rig.send("h", task)
    task.args = "second"  # type: ignore[attr-defined]
    ends = rig.send("h", task)
    rig.until(lambda: ends.how)
    assert {"args": "second", "name": "new"}.items() <= rig.results()["h"]["task"].items()


def test_hosts_stay_and_load_is_spread(rigs: Callable[..., Rig]) -> None:
    rig = rigs(3)
    task = Task("result")
    for _ in range(4):
        for number in range(9):
            rig.send(f"h{number}", task)
        rig.until(lambda: not rig.pool.in_flight())
    homes: dict[str, set[int]] = {}
    for found in rig.seam.forwarded:
        homes.setdefault(found["host"], set()).add(found["pid"])
    assert all(len(pids) == 1 for pids in homes.values())
    counts = [sum(pid in pids for pids in homes.values()) for pid in rig.pids()]
    assert counts == [3, 3, 3]


def test_number_of_workers(rigs: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """MITOPATCH_WORKERS, and the file that names them."""
    monkeypatch.setenv("MITOPATCH_WORKERS", "3")
    monkeypatch.setenv("MITOPATCH_PIDFILE", str(tmp_path / "pids"))
    rig = rigs(None)
    for number in range(10):
        rig.send(f"h{number}", Task("result"))
    rig.until(lambda: not rig.pool.in_flight())
    assert len(rig.pids()) == 3
    written = [line.split() for line in (tmp_path / "pids").read_text().splitlines()]
    assert written == [["worker", str(index), str(pid)] for index, pid in enumerate(rig.pids())]


def test_answers_go_to_the_job_that_asked(rig: Rig) -> None:
    """Two jobs on one worker ask at the same time and are answered in the other order."""
    rig.send("warm", Task("result"))
    ends = [rig.send(host, Task("ask")) for host in ("a", "warm-2", "b")]
    asks = lambda: [item[1] for item in rig.seam.forwarded if isinstance(item, tuple)]  # noqa: E731
    rig.until(lambda: len(asks()) == 3)
    workers = {number: worker for worker in rig.pool.live() for number in worker.flights}
    for number in sorted(workers, reverse=True):
        rig.pool.reply(workers[number], number, f"answer {number}")
    rig.until(lambda: all(end.how for end in ends))
    assert all(
        found["what"] == f"answer {found['number']}" for found in rig.seam.forwarded if isinstance(found, dict) and found["host"] != "warm"
    )


def test_calls_go_to_the_owner_only(rig: Rig) -> None:
    rig.pool.call("a", "nobody", ())
    task = Task("result")
    for host in ("a", "b"):
        rig.send(host, task)
    rig.pool.call("a", "reset", (1,))
    for host in ("a", "b"):
        rig.send(host, task)
    rig.until(lambda: len(rig.seam.forwarded) == 4)
    assert rig.results()["a"]["log"] == [("call", "reset", (1,))]
    assert rig.results()["b"]["log"] == []


# -- deaths ---------------------------------------------------------------------------------------------------------------


def hanging(rig: Rig, path: Path, hosts: list[str]) -> dict[str, Any]:
    """Jobs of these hosts that have begun and will not end."""
    ends = {host: rig.send(host, Task("hang", began=str(path))) for host in hosts}
    rig.until(lambda: all(path.with_suffix(f".{host}").exists() for host in hosts))
    return ends


def test_a_killed_worker_loses_its_own_flights_and_is_replaced(rig: Rig, tmp_path: Path) -> None:
    ends = hanging(rig, tmp_path / "began", [f"h{n}" for n in range(6)])
    victim, other = rig.pool.live()
    mine = {flight.host for flight in victim.flights.values()}
    assert len(mine) == 3
    os.kill(victim.process.pid, signal.SIGKILL)
    rig.until(lambda: len(rig.seam.lost_hosts) >= 3 and not victim.flights)
    assert {host for host, _, _ in rig.seam.lost_hosts} == mine
    assert len(rig.seam.lost_hosts) == 3, "each once"
    assert all("SIGKILL" in message for _, _, message in rig.seam.lost_hosts)
    assert [end.how for host, end in ends.items() if host in mine] == [["done"]] * 3
    assert [end.how for host, end in ends.items() if host not in mine] == [[]] * 3
    assert len(rig.seam.warnings) == 1
    assert f"pid {victim.process.pid}" in rig.seam.warnings[0]
    assert rig.pids() == [other.process.pid], "not before it is needed"
    host = min(mine)
    rig.send(host, Task("result"))
    rig.until(lambda: host in rig.results())
    assert rig.results()[host]["pid"] not in (victim.process.pid, other.process.pid)
    assert other.process.pid in rig.pids()
    assert rig.pool.in_flight() == 3


def test_a_worker_that_exits_is_named_by_its_status(rig: Rig) -> None:
    ends = rig.send("h", Task("die"))
    rig.until(lambda: ends.how)
    assert ends.how == ["done"]
    assert rig.seam.lost_hosts[0][2] == "MP203 the worker that ran this task ended with exit status 3."


def test_a_replica_that_fails_takes_its_worker_down(rig: Rig, tmp_path: Path) -> None:
    """It is no replica any more. Its jobs are lost, and the new worker forks from what is true."""
    ends = hanging(rig, tmp_path / "began", ["h"])
    rig.pool.broadcast(frames.OPERATION, rig.pool.registry.dump(("fail",)))
    rig.until(lambda: ends["h"].how)
    assert [host for host, _, _ in rig.seam.lost_hosts] == ["h"]
    rig.send("h", Task("result"))
    rig.until(lambda: "h" in rig.results())


@pytest.mark.parametrize("number", range(12))
def test_a_death_at_any_moment(rig: Rig, number: int) -> None:
    """Jobs are being sent while their worker is killed: each ends exactly once, with its result or lost."""
    task = Task("items", count=3)
    sent = []
    for count in range(60):
        if count == number * 4 + 5:
            os.kill(rig.pids()[0], signal.SIGKILL)
        sent.append((f"h{count}", rig.send(f"h{count}", task)))
    rig.until(lambda: not rig.pool.in_flight() and all(ends.how for _, ends in sent))
    # A worker that had not become one yet has done nothing: its jobs are handed back.
    assert all(ends.how in (["done"], ["back: no worker"]) for _, ends in sent)
    sent = [(host, ends) for host, ends in sent if ends.how == ["done"]]
    lost = [host for host, _, _ in rig.seam.lost_hosts]
    arrived = [found["host"] for found in rig.seam.forwarded if isinstance(found, dict)]
    assert sorted(lost + arrived) == sorted(host for host, _ in sent), "each host has a result or is lost, never both"


def test_too_many_deaths(rigs: Callable[..., Rig]) -> None:
    """Then the hosts take the fork route; the message tells the session so."""
    rig = rigs(1)
    deaths = 0
    while deaths < MAX_REPLACEMENTS + 10:
        try:
            ends = rig.send("h", Task("die"))
        except NoWorker:
            break
        rig.until(lambda ends=ends: ends.how)
        deaths += 1
    assert deaths == MAX_REPLACEMENTS + 1
    assert sum("MP202" in text for text in rig.seam.warnings) == 1


def test_a_process_that_cannot_be_started(rig: Rig) -> None:
    open_before = len(os.listdir("/proc/self/fd"))
    rig.seam.refuse = OSError(11, "Resource temporarily unavailable")
    for _ in range(2):
        with pytest.raises(NoWorker):
            rig.pool.worker_for("h")
    assert len(rig.seam.warnings) == 1
    assert rig.seam.warnings[0].startswith("MP202")
    assert len(os.listdir("/proc/self/fd")) == open_before
    assert rig.pool.live() == []


@pytest.mark.parametrize(("broken", "told"), [("raise", "ImportError: no module named mitogen"), ("exit", "exit status 7")])
def test_a_process_that_does_not_become_a_worker(rig: Rig, broken: str, told: str) -> None:
    """Nothing was done for its jobs: they are handed back, the user is told once, no other worker is started."""
    rig.seam.broken = broken
    ends = rig.send("a", Task("result"))
    rig.until(lambda: ends.how)
    assert ends.how == ["back: no worker"]
    assert [text for text in rig.seam.warnings if told in text] == rig.seam.warnings
    assert len(rig.seam.warnings) == 1
    assert not rig.seam.lost_hosts
    with pytest.raises(NoWorker):
        rig.pool.worker_for("b")


def test_a_worker_killed_before_it_was_one(rig: Rig) -> None:
    """That says nothing about the next one: its jobs are handed back, and another is started."""
    rig.seam.broken = "killed"
    ends = rig.send("a", Task("result"))
    rig.until(lambda: ends.how)
    assert ends.how == ["back: no worker"]
    rig.seam.broken = ""
    again = rig.send("a", Task("result"))
    rig.until(lambda: again.how)
    assert again.how == ["done"]
    assert not rig.seam.lost_hosts


def test_objects_are_forgotten_between_plays(rig: Rig) -> None:
    """Both sides forget, in order with the jobs, and a number is never given out again."""
    before = Task("result")
    rig.send("a", before)
    number = rig.pool.registry.number(before)
    rig.until(lambda: not rig.pool.in_flight())
    rig.pool.forget_objects()
    assert rig.pool.registry.number(before) is None
    assert not rig.pool.registry.objects
    rig.send("a", before)
    assert rig.pool.registry.number(before) != number
    rig.until(lambda: not rig.pool.in_flight())
    assert ("call", "forget_objects", ()) in rig.seam.forwarded[-1]["log"]


# -- ends -----------------------------------------------------------------------------------------------------------------


def test_stop(rig: Rig) -> None:
    task = Task("result")
    for host in ("a", "b"):
        rig.send(host, task)
    rig.until(lambda: not rig.pool.in_flight())
    processes = [psutil.Process(pid) for pid in rig.pids()]
    open_before = len(os.listdir("/proc/self/fd"))
    began = time.monotonic()
    rig.pool.stop()
    assert time.monotonic() - began < STOP_SECONDS
    assert not wait_gone(processes, 1)
    assert len(os.listdir("/proc/self/fd")) <= open_before - 4, "two sockets and two sentinels"
    assert not rig.seam.lost_hosts
    rig.pool.stop()


def test_workers_know_whether_the_run_ended_or_the_controller_died(rig: Rig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SEAMS_CLOSED", str(tmp_path / "closed"))
    rig.send("a", Task("result"))
    rig.until(lambda: not rig.pool.in_flight())
    rig.pool.stop()
    assert (tmp_path / "closed").read_text() == "False\n"


def test_stop_while_jobs_hang(rig: Rig, tmp_path: Path) -> None:
    """A thread that never ends does not keep its process."""
    hanging(rig, tmp_path / "began", ["a", "b"])
    processes = [psutil.Process(pid) for pid in rig.pids()]
    began = time.monotonic()
    rig.pool.stop(quick=True)
    assert time.monotonic() - began < LONGEST_STOP
    assert not wait_gone(processes, 1)


def test_stop_kills_a_worker_that_is_stuck(rig: Rig) -> None:
    """It reads nothing and ignores SIGTERM."""
    rig.send("a", Task("result"))
    rig.until(lambda: not rig.pool.in_flight())
    (process,) = [psutil.Process(pid) for pid in rig.pids()]
    rig.pool.broadcast(frames.OPERATION, rig.pool.registry.dump(("block",)))
    began = time.monotonic()
    rig.pool.stop()
    assert time.monotonic() - began < LONGEST_STOP
    assert not wait_gone([process], 1)


@pytest.mark.parametrize("sending", [False, True], ids=["its socket is full", "a send is under way"])
def test_stop_kills_a_worker_whose_socket_is_full(rig: Rig, sending: bool) -> None:
    """Telling it to leave would wait for ever."""
    rig.send("a", Task("result"))
    rig.until(lambda: not rig.pool.in_flight())
    (worker,) = rig.pool.live()
    process = psutil.Process(worker.process.pid)
    process.suspend()
    channel = worker.channel
    assert channel is not None
    with contextlib.suppress(BlockingIOError):
        while True:
            channel._sock.send(b"\0" * 1024, socket.MSG_DONTWAIT)  # nobody reads it any more
    sender = threading.Thread(target=_send_anyway, args=(channel,), daemon=True)
    if sending:
        sender.start()
        deadline = time.monotonic() + 10
        while not channel._lock.locked():
            assert time.monotonic() < deadline
            time.sleep(0.001)
    began = time.monotonic()
    stopper = threading.Thread(target=rig.pool.stop, daemon=True)
    stopper.start()
    stopper.join(LONGEST_STOP)
    late = stopper.is_alive()
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()
    stopper.join(10)
    assert not late, f"stop took more than {time.monotonic() - began:.1f} s"
    assert not wait_gone([process], 1)
    if sending:
        sender.join(10)
        assert not sender.is_alive()


def _send_anyway(channel: frames.Channel) -> None:
    with contextlib.suppress(OSError):
        channel.send(frames.OPERATION, 0, b"x")


def test_stop_in_a_fork_is_not_ours(rig: Rig) -> None:
    """A fork of the controller that ends in the ordinary way must not end the workers."""
    rig.send("a", Task("result"))
    child = CONTEXT.Process(target=rig.pool.stop)
    child.start()
    child.join(10)
    assert child.exitcode == 0
    rig.send("a", Task("result"))
    rig.until(lambda: len(rig.seam.forwarded) == 2)
    assert rig.results()["a"]["pid"] == rig.pids()[0]


def test_recycled_workers_have_what_is_true_now(rig: Rig) -> None:
    task = Task("result", text="old")
    rig.send("a", task)
    rig.until(lambda: not rig.pool.in_flight())
    before = rig.pids()
    rig.pool.registry.objects[1].__dict__["text"] = "changed in place, behind everybody's back"
    rig.pool.recycle()
    assert rig.pids() == []
    rig.send("a", task)
    rig.until(lambda: not rig.pool.in_flight())
    assert set(rig.pids()).isdisjoint(before)
    assert rig.results()["a"]["task"]["text"].startswith("changed")


def test_surroundings_of_a_worker(rig: Rig) -> None:
    """No terminal to read from, a session of its own, and no other worker's socket."""
    rig.send("a", Task("result"))
    rig.send("b", Task("result"))
    rig.until(lambda: not rig.pool.in_flight())
    ours = {os.fstat(worker.channel.fileno()).st_ino for worker in rig.pool.live() if worker.channel is not None}
    for host in ("a", "b"):
        rig.send(host, Task("look"))
    rig.until(lambda: not rig.pool.in_flight())
    assert len(ours) == 2
    for host in ("a", "b"):
        found = rig.results()[host]
        assert not found["sockets"] & ours, "it would never see the controller's end"
        assert found["stdin"] == os.devnull
        assert found["session"] == found["pid"]
    assert rig.results()["a"]["sockets"] - sockets() != rig.results()["b"]["sockets"] - sockets(), "each its own"


def test_other_forks_do_not_hold_the_sockets(rig: Rig) -> None:
    rig.send("a", Task("result"))
    ours = {os.fstat(worker.channel.fileno()).st_ino for worker in rig.pool.live() if worker.channel is not None}
    reader, writer = CONTEXT.Pipe(duplex=False)
    child = CONTEXT.Process(target=lambda: writer.send(sockets()))
    child.start()
    assert reader.poll(10)
    assert not reader.recv() & ours
    child.join(10)
    rig.until(lambda: not rig.pool.in_flight())


@pytest.mark.parametrize("extra", [[], ["with a fork"]], ids=["alone", "beside a fork"])
def test_the_death_of_the_controller_ends_the_workers(tmp_path: Path, extra: list[str]) -> None:
    """SIGKILL, in the middle of jobs: all workers are gone within two seconds, and know that they are orphans."""
    closed = tmp_path / "closed"
    program = subprocess.Popen(
        [sys.executable, "-m", "tests.engine.orphans", str(tmp_path / "began"), *extra],
        cwd=ROOT, env={**os.environ, "SEAMS_CLOSED": str(closed), "PYTHONPATH": str(ROOT / "tests")},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    workers: list[psutil.Process] = []
    try:
        assert program.stdout is not None
        workers = [psutil.Process(int(pid)) for pid in program.stdout.readline().split()]
        children = psutil.Process(program.pid).children(recursive=True)
        assert len(workers) == 2
        assert all(map(alive, workers))
        program.kill()
        program.wait(10)
        assert not wait_gone(workers, 2)
        assert closed.read_text() == "True\nTrue\n"
    finally:
        program.kill()
        program.wait(10)
        for process in [*workers, *children]:
            with contextlib.suppress(psutil.Error):
                process.kill()
        if program.stdout is not None:
            program.stdout.close()


def test_a_worker_whose_controller_is_already_gone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It has nobody to tell that it is ready: it cleans up as an orphan does, and says nothing."""
    monkeypatch.setenv("SEAMS_CLOSED", str(tmp_path / "closed"))
    ours, its = socket.socketpair()
    ours.close()
    seam = FakeController()
    registry = Registry(seam.shared_kinds(), seam.name_of, seam.by_name)
    process = CONTEXT.Process(target=child.main, args=(its, 1, seam, registry))
    process.start()
    its.close()
    process.join(10)
    try:
        assert process.exitcode == 0
        assert (tmp_path / "closed").read_text() == "True\n"
        assert capfd.readouterr().err == ""
    finally:
        process.kill()
