"""What upstream takes for granted in a fork of its own, on threads: with the safeguard it is right, without it is seen to be wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from testbed import events
from testbed.compare import assert_same

from tests.engine.conftest import Local, LocalRun, order, series

HERE = Path(__file__).parent
ONE = {"MITOPATCH_WORKERS": "1"}


def play(tasks: str, more: str = "") -> str:
    lines = "".join(f"    {line}\n" for line in tasks.strip("\n").split("\n"))
    return f"- hosts: all\n  gather_facts: false\n{more}  tasks:\n{lines}"


def assert_threads(run: LocalRun) -> None:
    """All the tasks that tell where they ran, ran in workers."""
    pids = [pid for hosts in run.values("worker_pid").values() for pid in hosts.values()]
    assert pids, run.text
    assert set(pids) <= run.workers


# -- plugin loading -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("bundle_active")
@pytest.mark.parametrize("locked", [True, False], ids=["with the lock", "without"])
def test_a_plugin_that_another_thread_imports(tmp_path: Path, locked: bool) -> None:
    """The plugin's file blocks in the middle of its import; meanwhile a second thread asks for it."""
    (tmp_path / "slow.py").write_text(
        "import gate\ngate.entered.set()\ngate.go.wait(20)\n"
        "from ansible.plugins.action import ActionBase\nclass ActionModule(ActionBase):\n    pass\n"
    )
    done = subprocess.run(
        [sys.executable, str(HERE / "half_imported.py"), str(tmp_path), "locked" if locked else "open"],
        cwd=tmp_path, env={**os.environ, "MITOPATCH": "off", "HOME": str(tmp_path)},  # the program itself applies the bundle
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    if locked:
        assert found == {"first": "ActionModule", "second": "ActionModule", "second waited": True, "all": True}
    else:
        assert found["first"] == "ActionModule"
        assert found["second"] != "ActionModule", "the test sees half-imported plugins"
        assert not found["second waited"]


# -- a stress -------------------------------------------------------------------------------------------------------------

STRESS_HOSTS = 200
STRESS = {
    "site.yml": play(
        """
- name: facts
  set_fact:
    doubled: "{{ (number | int) * 2 }}"
    shouted: "{{ inventory_hostname | shout }}"
    found: "{{ lookup('backwards', inventory_hostname) }}"
    joined: "{{ [inventory_hostname, mine] | zip(range(2)) | map('join', '-') | list }}"
- name: all of them
  assert:
    quiet: true
    that:
      - doubled | int == (number | int) * 2
      - shouted == inventory_hostname | upper ~ '!'
      - found == inventory_hostname | reverse
      - joined == [inventory_hostname ~ '-0', mine ~ '-1']
      - number is divisibleby 1
- name: meet
  meet:
    name: "{{ mine }}"
- name: loop
  debug:
    msg: "{{ item }} {{ lookup('vars', 'mine') }} {{ shouted }}"
  loop: ["{{ doubled }}", "{{ inventory_hostname }}"]
  loop_control:
    label: "{{ item }} of {{ inventory_hostname }}"
"""
    ),
    "filter_plugins/shout.py": """
class FilterModule:
    def filters(self):
        return {"shout": lambda text: text.upper() + "!"}
""",
    "lookup_plugins/backwards.py": """
from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        return [term[::-1] for term in terms]
""",
}


@pytest.mark.parametrize("workers", [1, 2])
def test_stress(local: Local, workers: int) -> None:
    """Two hundred hosts, eight at a time, nothing loaded before: every host has its own values in every task."""
    inventory = "".join(f"h{n} number={n} mine=of_h{n} ansible_connection=local\n" for n in range(STRESS_HOSTS))
    run = local.run(STRESS, inventory=inventory, args=["-f", "8"], env={"MITOPATCH_WORKERS": str(workers)})
    assert run.rc == 0, run.text[-3000:]
    summary = events.stats(run.events)
    assert len(summary) == STRESS_HOSTS
    assert all(counts["ok"] == 4 and not counts["failures"] and not counts["unreachable"] for counts in summary.values())
    facts, met, labels = run.values("ansible_facts")["facts"], run.values("arguments")["meet"], run.values("results")["loop"]
    for n in range(STRESS_HOSTS):
        host = f"h{n}"
        assert facts[host] == {
            "doubled": facts[host]["doubled"], "shouted": f"H{n}!", "found": host[::-1], "joined": [f"{host}-0", f"of_{host}-1"],
        }  # fmt: skip
        assert int(facts[host]["doubled"]) == n * 2
        assert met[host] == {"name": f"of_{host}"}
        assert [item["msg"] for item in labels[host]] == [f"{2 * n} of_{host} H{n}!", f"{host} of_{host} H{n}!"]
        assert [item["_ansible_item_label"] for item in labels[host]] == [f"{2 * n} of {host}", f"{host} of {host}"]
    assert_threads(run)
    assert len(run.workers) == workers
    assert not run.stderr


# -- the task, the host -----------------------------------------------------------------------------------------------------

MEETING = {
    "site.yml": play(
        """
- name: meet
  meet:
    name: one
    with: [h1, h2]
    text: "from {{ inventory_hostname }}"
    deep: {list: ["{{ mine }}"]}
- name: loop
  meet:
    name: "{{ item }}"
    with: [h1, h2]
    text: "from {{ inventory_hostname }}"
  loop: [two, three]
  loop_control:
    label: "{{ item }} of {{ inventory_hostname }}"
    index_var: "{{ 'index_' ~ inventory_hostname }}"
    extended: "{{ inventory_hostname == 'h1' }}"
"""
    )
}


def mixed(run: LocalRun) -> list[str]:
    """What a host has that is another's."""
    found = []
    for host in ("h1", "h2"):
        arguments = run.values("arguments")["meet"].get(host)
        if arguments != {"name": "one", "with": ["h1", "h2"], "text": f"from {host}", "deep": {"list": [f"of_{host}"]}}:
            found.append(f"arguments of {host}: {arguments}")
        for item, name in zip(run.values("results").get("loop", {}).get(host, []), ("two", "three")):
            if item["arguments"]["text"] != f"from {host}" or item["arguments"]["name"] != name:
                found.append(f"loop of {host}: {item['arguments']}")
            if item["_ansible_item_label"] != f"{name} of {host}":
                found.append(f"label of {host}: {item['_ansible_item_label']}")
            if f"index_{host}" not in item or ("ansible_loop" in item) != (host == "h1"):
                found.append(f"loop control of {host}: {sorted(item)}")
    return found


def test_two_hosts_in_one_task(local: Local) -> None:
    """Arguments, loop items, labels and loop control of one host never reach the other, and all is as plain."""
    plain, patched = local.both(MEETING, env=ONE)
    assert patched.rc == 0, patched.text
    assert not mixed(patched)
    assert_threads(patched)
    assert_same(plain, patched)


TEMPLATED = pytest.mark.skipif(series() < (2, 14), reason="upstream writes into a loop control from ansible-core 2.14 on")


@pytest.mark.parametrize("switch", ["task", pytest.param("loop_control", marks=TEMPLATED)])
def test_two_hosts_with_one_task_object(local: Local, switch: str) -> None:
    run = local.run(MEETING, env=ONE, without=switch)
    assert run.rc != 0 or mixed(run), "the test sees the mixing"


HOST = {"site.yml": play("- name: first\n  meet:\n- name: second\n  debug:\n    msg: '{{ mine }}'")}


def test_the_host_is_not_emptied(local: Local) -> None:
    """Upstream's worker throws the host's variables away at the end of its one task."""
    run = local.run(HOST, env=ONE)
    assert run.values("msg")["second"] == {"h1": "of_h1", "h2": "of_h2"}, run.text
    broken = local.run(HOST, env=ONE, without="host", timeout=60)
    assert broken.rc != 0, "the test sees the emptying"


# -- surroundings -----------------------------------------------------------------------------------------------------------

SPEAKING = {
    "site.yml": play(
        """
- name: speak
  meet:
    name: speak
    with: [h1, h2]
    say: "{{ 'hello' if inventory_hostname == 'h1' else '' }}"
    show: message
"""
    )
}


def errant(run: LocalRun) -> set[str]:
    """The hosts that are told to have written to standard output."""
    return {host for host in ("h1", "h2") if f"WorkerProcess for [{host}/" in run.text}


def test_messages_and_errant_output(local: Local) -> None:
    """Messages reach the controller's terminal, as plain; from 2.19 on output that does not is named with its host."""
    plain, patched = local.both(SPEAKING, env=ONE)
    assert patched.rc == 0, patched.text
    for host in ("h1", "h2"):
        assert f"displayed by {host}: message" in patched.stdout
        assert f"warning by {host}" in patched.stderr
    assert_threads(patched)
    if series() >= (2, 19):
        assert errant(patched) == errant(plain) == {"h1"}
        assert errant(local.run(SPEAKING, env=ONE, without="stdout")) == {"h1", "h2"}, "the test sees the confusion"
    else:
        assert sorted(patched.stdout.splitlines()) == sorted(plain.stdout.splitlines())


LOOKING = {
    "site.yml": play(
        """
- name: before
  meet: {name: before, look: true}
- name: environment
  command: printenv SOME
  environment: {SOME: "of {{ inventory_hostname }}"}
- name: directory
  command: pwd
  args: {chdir: /}
- name: script
  script: say.sh
  args: {chdir: /}
- name: template
  template: {src: one.j2, dest: "targets/{{ inventory_hostname }}"}
- name: reading
  set_fact: {content: "{{ lookup('file', 'one.j2') }} {{ lookup('env', 'HOME') }}"}
- name: delegated
  meet: {name: delegated, look: true}
  delegate_to: h1
- name: after
  meet: {name: after, look: true}
"""
    ),
    "say.sh": "#!/bin/sh\npwd\n",
    "one.j2": "{{ mine }}\n",
}


def test_tasks_leave_their_worker_as_it_was(local: Local) -> None:
    """Environment, working directory and standard input are those of the run, before and after tasks of all kinds."""
    plain, patched = local.both(LOOKING, env=ONE)
    assert order(plain) == order(patched), patched.text
    for task in ("environment", "directory", "script"):
        # Stripped: over a local connection, Mitogen gives a script a terminal, and its lines end in CR.
        said = [{host: text.strip() for host, text in run.values("stdout")[task].items()} for run in (plain, patched)]
        assert said[0] == said[1]
    assert_threads(patched)
    seen = patched.values("environ")
    for task in ("after", "delegated"):
        assert seen[task] == seen["before"]
    assert set(patched.values("stdin")["before"].values()) == {os.devnull}
    assert {cwd for hosts in patched.values("cwd").values() for cwd in hosts.values()} == {str(patched.directory)}
    assert not {name for name in seen["before"]["h1"] if "PASS" in name or "SECRET" in name}


CHANGING = {
    "site.yml": play(
        """
- name: change
  meet: {name: change, setenv: {LEFT_BEHIND: by_a_task}, chdir: /}
- name: look
  meet: {name: look, look: true}
"""
    )
}


def test_an_action_that_changes_its_process(local: Local) -> None:
    """Such a plugin counts on a process of its own: named in MITOPATCH_FORK_ACTIONS it has one, and nothing stays."""
    run = local.run(CHANGING, env={**ONE, "MITOPATCH_FORK_ACTIONS": "meet"})
    assert run.rc == 0, run.text
    assert set(run.values("cwd")["look"].values()) == {str(run.directory)}
    assert all("LEFT_BEHIND" not in found for found in run.values("environ")["look"].values())


@pytest.mark.skipif(series() < (2, 19), reason="the ambient context of a task came with ansible-core 2.19")
def test_the_ambient_task_is_the_threads(local: Local) -> None:
    run = local.run(MEETING, env=ONE)
    # Not in a loop: there upstream itself runs a copy of the ambient task.
    assert run.values("own_task")["meet"] == {"h1": True, "h2": True}


@pytest.mark.usefixtures("bundle_active")
def test_loader_and_current_worker(tmp_path: Path) -> None:
    """A task's end deletes its own temporary files only, and what is asked of ``current_worker`` is answered per thread."""
    done = subprocess.run(
        [sys.executable, str(HERE / "per_thread.py")],
        cwd=tmp_path, env={**os.environ, "MITOPATCH": "on", "HOME": str(tmp_path), "TMPDIR": str(tmp_path)},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert found["own loaders"] == {"first": False, "second": True, "cache is shared": True}
    assert found["one loader"] == {"first": False, "second": False}, "without loaders of their own, one task deletes the other's file"
    if series() >= (2, 16):
        assert found["one global"], "upstream's current_worker is one for all threads"
    assert found["numbers"] == {"a": 4, "b": 9}
    assert found["answers"] == {"a": "for a", "b": "for b"}
    assert found["error"] == "AnsibleError: interrupted"
    assert found["outside"] == "RuntimeError"
