"""What is asked and answered at a terminal, plain and patched: the same questions, the same answers, the same on the screen."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import testbed
from testbed.compare import assert_same
from testbed.runs import PLAYBOOKS, Bench

pytest.importorskip("pexpect", reason="needs pexpect (extra: test)")

TYPIST = str(Path(testbed.__file__).parent / "typist.py")
#: At the terminal: what has to appear, what is typed then, and "raw" where the program reads single keys.
ASKED = [
    ["BECOME password: ", "open sesame\n"],
    ["Vault password: ", "locksmith\n"],
    ["A word [by default]: ", "grün\n"],
    ["A secret: ", "hidden\n"],
    ["confirm A secret: ", "hidden\n"],
    ["Who are you:", "mex\x7f ü\r", "raw"],
    ["Key (output is hidden):", "abc\r", "raw"],
    ["Pausing for 1800 seconds", "", ""],
    ["'A' = abort)", "\x03", "raw"],
    ["'A' to abort", "C", "raw"],
    ["Item one:", "\r", "raw"],
    ["Item two:", "\r", "raw"],
    ["Asked by an action:", "\r", "raw"],
]
PROMPT = "(debug)> "
DEBUGGED = [
    [PROMPT, "p task_vars['ansible_play_hosts']\n"],
    [PROMPT, "task.args['_raw_params'] = 'true'\n"],
    [PROMPT, "r\n"],
    [PROMPT, "p task.name, host.name, sorted(task.args)\n"],
    [PROMPT, "p task_vars['inventory_hostname'], task_vars['command'], 'ansible_play_hosts' in task_vars\n"],
    [PROMPT, "p task.action, host.vars['inventory_hostname'], no_such_name\n"],
    [PROMPT, "task.args['_raw_params'] = 'echo mended'\n"],
    [PROMPT, "r\n"],
    [PROMPT, "task_vars['choice'] = 'right'\n"],
    [PROMPT, "u\n"],
    [PROMPT, "redo\n"],
    ["Always", "", ""],
    [PROMPT, "p task.get_path().rpartition('/')[2]\n"],
    [PROMPT, "c\n"],
    [PROMPT, "p task.when\n"],
    [PROMPT, "continue\n"],
    [PROMPT, "p task.delegate_to, task.ignore_unreachable\n"],
    [PROMPT, "c\n"],
    [PROMPT, "no such word\n"],
    [PROMPT, "q\n"],
]
STEP = "(N)o/(y)es/(c)ontinue: "
STEPPED = [["TASK: Second " + STEP, "y\n"], ["TASK: Third " + STEP, "n\n"], ["TASK: Fourth " + STEP, "y\n"], ["TASK: Fifth " + STEP, "c\n"]]
ANSWERED = ["-e", "word=known", "-e", "hidden=known"]
RUNS = {
    "asked": (["-K", "--ask-vault-pass"], ASKED, 0),
    "debugged": (ANSWERED, DEBUGGED, 99),
    "stepped": ([*ANSWERED, "--step", "--start-at-task", "Second"], STEPPED, 0),
}


@pytest.mark.parametrize("name", RUNS)
def test_agrees(bench: Bench, bundle_active: str, name: str) -> None:
    """The transcript of the terminal, the events and the exit code are the same, and all answers were asked for."""
    args, answers, rc = RUNS[name]
    options: dict[str, Any] = {
        "hosts": 1,
        "near": 2 if name == "asked" else 1,
        "prefix": [sys.executable, TYPIST, json.dumps(answers)],
        "env": {"ANSIBLE_BECOME_ALLOW_SAME_USER": "True"},  # or root would become root without being asked
        "variables": {"ansible_become_exe": PLAYBOOKS / "routes" / "asking_sudo"},
    }
    command = ["routes/terminal.yml", "--tags", name, *args]
    plain = bench.run(command, "plain", **options)
    assert plain.rc == rc, plain.stdout + plain.stderr
    assert_same(plain, bench.run(command, "mitopatch", **options))
