"""The variables of all hosts, read by each host in one task: computed once, and never older than what has happened."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from testbed.compare import assert_same

from .conftest import Local

READ = """    - debug: {msg: "{{ groups.all | map('extract', hostvars) | map(attribute='mine', default='none') | list }}"}
    - debug: {msg: "{{ hostvars.h1.mine | default('none') }} {{ hostvars[item].other | default('none') }}"}
      loop: "{{ groups.all }}"
"""
STEPS = (
    """    - set_fact: {mine: "{{ inventory_hostname }}"}
""",
    """    - set_fact: {mine: "changed by {{ inventory_hostname }}"}
      delegate_to: h2
      delegate_facts: true
      run_once: true
""",
    """    - add_host: {name: late, groups: [more], mine: of late, ansible_connection: local}
""",
    """    - include_vars: {file: more.yml}
      when: inventory_hostname == 'h1'
""",
    """    - command: {cmd: echo said}
      register: other
      when: inventory_hostname == 'h3'
""",
    """    - set_fact: {mine: cached, cacheable: true}
""",
    """    - meta: clear_facts
""",
)
SITE = "- hosts: all\n  tasks:\n" + READ + "".join(step + READ for step in STEPS) + "- hosts: all\n  tasks:\n" + READ


def test_nothing_old_is_read(local: Local) -> None:
    files = {"site.yml": SITE, "more.yml": "mine: included\nother: included"}
    plain, patched = local.both(files, hosts=4, timeout=300)
    assert plain.rc == 0, plain.text
    assert_same(plain, patched)
    checked = local.run(files, hosts=4, env={"MITOPATCH_CHECK": "1"}, timeout=300)
    assert "MP2" not in checked.text, checked.text
    assert_same(plain, checked)


def test_computed_once_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ansible", reason="ansible-core is not installed")
    from mitopatch.versions import threads
    from mitopatch.versions.work import Worker

    worker: Any = object.__new__(Worker)
    worker._hostvars, worker.checker = {}, None
    host, times = SimpleNamespace(name="h1"), []

    def compute() -> dict[str, Any]:
        times.append(1)
        return {"number": len(times)}

    def during(task: Any) -> None:
        prepared = None if task is None else SimpleNamespace(job=SimpleNamespace(task=task))
        monkeypatch.setattr(threads, "current_task", lambda: prepared)

    during(1)
    first = worker.hostvars(host, compute)
    first["number"] = "written by its reader"
    assert worker.hostvars(host, compute) == {"number": 1}
    during(2)
    assert worker.hostvars(host, compute) == {"number": 2}
    assert worker.hostvars(SimpleNamespace(name="h1"), compute) == {"number": 3}  # another implicit localhost
    during(None)
    assert worker.hostvars(host, compute) == {"number": 4}
