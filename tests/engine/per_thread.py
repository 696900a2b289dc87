"""A program: two threads with what a worker gives them, and what upstream's globals then say to each."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import threading
import types
from typing import Any


def files(first: Any, second: Any) -> dict[str, bool]:
    """Each loader makes a temporary file as for a vaulted one; the first cleans up. Which files are left?"""
    paths = {}
    for name, loader in (("first", first), ("second", second)):
        descriptor, paths[name] = tempfile.mkstemp()
        os.close(descriptor)
        loader._tempfiles.add(paths[name])
    for _ in range(3):  # 2.11 deletes one file, and then stumbles over its own set
        with contextlib.suppress(RuntimeError):
            first.cleanup_all_tmp_files()
    return {name: os.path.exists(path) for name, path in paths.items()}


def main() -> None:
    from ansible.errors import AnsibleError
    from ansible.executor.process import worker as upstream
    from ansible.parsing.dataloader import DataLoader

    from mitopatch.runtime.seam import Job
    from mitopatch.versions import threads, work

    found: dict[str, Any] = {}
    fake = object.__new__(work.Worker)
    fake._loader = DataLoader()
    mine, others = fake.own_loader(), fake.own_loader()
    found["own loaders"] = {**files(mine, others), "cache is shared": mine._FILE_CACHE is fake._loader._FILE_CACHE}
    found["one loader"] = files(fake._loader, fake._loader)

    fake.queue = fake.manager = fake.shared_loader_obj = fake.stdin = fake.cliargs = None
    barrier = threading.Barrier(2)
    numbers: dict[str, int] = {}
    answers: dict[str, Any] = {}
    errors: list[str] = []
    prepared = {
        name: threads.Prepared(Job(number, name, 0, 0, 0, slot), None, None, None, {}) for number, name, slot in ((1, "a", 4), (2, "b", 9))
    }

    def run(name: str) -> None:
        threads.begin(prepared[name])
        upstream.current_worker = threads.ThreadWorker(fake, prepared[name])
        barrier.wait(10)
        current = upstream.current_worker  # the same for both: the last one that was set
        barrier.wait(10)
        numbers[name] = current.worker_id
        answers[name] = current.worker_queue.get(timeout=10)
        try:
            current.worker_queue.get(timeout=10)
        except AnsibleError as exc:
            errors.append(f"{type(exc).__name__}: {exc}")

    fake._waiting = {value.job.number: value for value in prepared.values()}
    running = [threading.Thread(target=run, args=(name,), daemon=True) for name in prepared]
    for thread in running:
        thread.start()
    for number, name in ((2, "b"), (1, "a")):
        work.Worker.reply(fake, number, f"for {name}")
        work.Worker.reply(fake, number, AnsibleError("interrupted"))
    work.Worker.reply(fake, 77, "nobody waits for this")
    for thread in running:
        thread.join(20)
    found.update(numbers=numbers, answers=answers, error=errors[0] if len(set(errors)) == 1 and len(errors) == 2 else errors)
    found["one global"] = isinstance(upstream.current_worker, threads.ThreadWorker)
    try:
        threads.ThreadWorker(fake, types.SimpleNamespace(variables={}, host=None, task=None, play_context=None)).worker_queue  # noqa: B018
    except RuntimeError as exc:
        found["outside"] = type(exc).__name__
    sys.stdout.write("\n" + json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
