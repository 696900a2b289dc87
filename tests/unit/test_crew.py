"""The threads that run jobs: as many as there are jobs whose end was not told, and no more."""

from __future__ import annotations

import threading

from mitopatch.runtime.crew import Crew

SECONDS = 20.0


def test_jobs_run_side_by_side() -> None:
    """Each job gets a thread at once: all of them meet."""
    crew = Crew(100)
    meet = threading.Barrier(8)
    ended = threading.Semaphore(0)

    def job() -> None:
        meet.wait(SECONDS)
        ended.release()

    for number in range(8):
        crew.submit(number, job)
    assert all(ended.acquire(timeout=SECONDS) for _ in range(8))
    assert len(crew) == 8


def test_a_thread_whose_end_is_told_is_soon_free() -> None:
    """The next job comes before the thread waits again: it does not get another one."""
    crew = Crew(100)
    told, go_on, ended = threading.Event(), threading.Event(), threading.Semaphore(0)

    def job(number: int) -> None:
        crew.settled(number)
        told.set()
        go_on.wait(SECONDS)
        ended.release()

    crew.submit(0, job, 0)
    assert told.wait(SECONDS)
    crew.submit(1, job, 1)
    assert len(crew) == 1
    go_on.set()
    assert all(ended.acquire(timeout=SECONDS) for _ in range(2))


def test_no_more_than_the_most() -> None:
    """What is left waits for a thread, and runs."""
    crew = Crew(2)
    ended = threading.Semaphore(0)
    for number in range(6):
        crew.submit(number, ended.release)
    assert all(ended.acquire(timeout=SECONDS) for _ in range(6))
    assert len(crew) == 2


def test_the_end_of_an_unknown_job() -> None:
    """A job that was handed back before it had a thread: nothing happens."""
    crew = Crew(1)
    crew.settled(7)
    assert len(crew) == 0
