"""A harmless bundle for the installed release, and a way to run an Ansible command with it.

    python sample.py ansible-playbook ...        the command in this process, the sample in place of the real bundle
    MITOPATCH_SAMPLE_RELEASE=2.99.0              pretend that this release is installed

It says on stderr what happens: BEGIN once, RUN per call of TaskQueueManager.run, STRATEGY with the strategy's name.
Not a test: the tests start it in processes of their own, because a patched Ansible is no place for the next test.
"""

from __future__ import annotations

import os
import runpy
import sys
import types
from typing import Any

from mitopatch import release, select
from mitopatch.declare import Bundle, Relies, Wrap

WORDS = {"why": "a sample", "upstream": "none", "undo_when": "never"}


def say(text: str) -> None:
    sys.stderr.write(f"SAMPLE {text}\n")


def on_run(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    say("RUN")
    return wrapped(*args, **kwargs)


def on_strategy(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    say(f"STRATEGY {args[0]._play.strategy}")
    return wrapped(*args, **kwargs)


def bundle(series: str) -> Bundle:
    """Declarations that hold on every supported series."""
    return Bundle(
        series,
        "sample",
        [
            Wrap("ansible.plugins.strategy", "StrategyBase.run", on_strategy, ("self", "iterator", "play_context", "result"), **WORDS),
            Wrap("ansible.executor.task_queue_manager", "TaskQueueManager.run", on_run, ("self", "play"), **WORDS),
            Relies("ansible.plugins.strategy", "StrategyBase._queue_task", **WORDS),
            Relies("ansible.vars.manager", "VariableManager.get_vars", **WORDS),
        ],
        begin=lambda: say("BEGIN"),
        end=lambda: say("END"),
    )


def install() -> None:
    """Put the sample where the real bundle of the installed release would be looked for."""
    row = select.choose(str(release.installed())).row
    if row is not None:
        module = types.ModuleType(row.module)
        module.BUNDLE = bundle(row.series)  # type: ignore[attr-defined]
        sys.modules[row.module] = module


def main() -> None:
    install()
    pretended = os.environ.get("MITOPATCH_SAMPLE_RELEASE")
    if pretended:
        release.installed = lambda folders=None: pretended
    sys.argv = sys.argv[1:]
    sys.path[0] = os.path.dirname(sys.argv[0])
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
