"""A worker that cannot start: one sentence, and the run goes on as plain Ansible does it."""

from __future__ import annotations

import pytest

from mitopatch.versions.session import MOST_DOUBTS

from .conftest import Local

#: Breaks one of ansible_mitogen's modules: when it is imported in the controller, or when a worker uses it.
BREAK = """
import sys

class Broken:
    def find_spec(self, name, path=None, target=None):
        if name == "ansible_mitogen.services":
            raise ImportError("broken for a test")

sys.meta_path.insert(0, Broken())
"""
BREAK_LATE = """
import threading

start = threading.Thread.start

def refuse(self):
    if self.name.startswith("mitogen"):
        raise RuntimeError("no thread for a test")
    start(self)

threading.Thread.start = refuse
"""
PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - command: echo {{ mine }}
    - debug: {msg: "{{ mine }}"}
"""


@pytest.mark.parametrize(("broken", "told"), [(BREAK, "broken for a test"), (BREAK_LATE, "no thread for a test")], ids=["import", "start"])
def test_the_run_goes_on(local: Local, broken: str, told: str) -> None:
    run = local.run({"site.yml": PLAY, "broken/sitecustomize.py": broken}, env={"PYTHONPATH": "broken"})
    assert run.rc == 0, run.text
    assert run.text.count("MP202") == 1, run.text
    assert told in run.text
    assert "Traceback" not in run.text
    assert sum(event["event"] == "ok" for event in run.events) == 4


def test_workers_that_cannot_compute_variables_are_not_started_again_and_again(local: Local) -> None:
    task = '    - debug: {msg: "{{ mine }}"}\n'
    run = local.run({"site.yml": PLAY + 8 * task}, without="variables")
    assert run.rc == 0, run.text
    assert run.text.count("MP204") == 1, run.text
    assert "no variables for a test" in run.text
    assert sum(event["event"] == "ok" for event in run.events) == 20
    assert 1 <= len(run.workers) <= 2 * MOST_DOUBTS
