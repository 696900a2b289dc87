"""Magic variables, which a worker works out once for many hosts: never older than the play, and each task's own to change."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from testbed.compare import assert_same

from .conftest import Local

SHOW = """    - debug: {msg: "{{ ansible_play_hosts }} {{ ansible_play_batch }} {{ ansible_play_hosts_all }} {{ groups }}"}
    - debug: {msg: "{{ ansible_play_hosts.append('x') }} {{ ansible_play_hosts }} {{ ansible_role_names.append('y') }}"}
    - debug: {msg: "{{ ansible_play_batch }} {{ play_hosts }} {{ role_name | default('none') }} {{ ansible_play_name }}"}
    - debug: {msg: "{{ ansible_role_names | sort }} {{ role_names }} {{ ansible_play_role_names }}"}
"""
SITE = f"""
- hosts: all
  name: first
  serial: 3
  roles: [one]
  tasks:
{SHOW}
    - add_host: {{name: "late{{{{ ansible_play_batch | length }}}}", groups: [more]}}
{SHOW}
    - group_by: {{key: "of_{{{{ inventory_hostname }}}}"}}
      when: inventory_hostname in ('h1', 'h5')
{SHOW}
    - fail: {{}}
      when: inventory_hostname == 'h2'
      ignore_unreachable: true
{SHOW}
    - include_role: {{name: two}}
{SHOW}
- hosts: h1:h3
  tasks:
{SHOW}
"""
FILES = {
    "site.yml": SITE,
    "roles/one/meta/main.yml": "dependencies: [three]",
    "roles/one/tasks/main.yml": '- debug: {msg: "{{ role_name }} {{ ansible_role_name }} {{ ansible_dependent_role_names | sort }}"}',
    "roles/two/tasks/main.yml": '- debug: {msg: "{{ role_name }} {{ ansible_play_role_names }}"}',
    "roles/three/tasks/main.yml": '- debug: {msg: "{{ role_name }} {{ role_path | basename }}"}',
}


def test_never_old(local: Local) -> None:
    plain, patched = local.both(FILES, hosts=5, timeout=300)
    assert plain.rc == 2, plain.text
    assert_same(plain, patched)
    checked = local.run(FILES, hosts=5, env={"MITOPATCH_CHECK": "1"}, timeout=300)
    assert "MP2" not in checked.text, checked.text


def test_worked_out_once() -> None:
    pytest.importorskip("ansible", reason="ansible-core is not installed")
    from mitopatch.versions.magic import Magic

    magic, times = Magic(), []
    play, groups = object(), {"all": ["h1"]}
    task, other = SimpleNamespace(_role=None), SimpleNamespace(_role=object())

    def compute() -> dict[str, Any]:
        times.append(None)
        hosts = ["h1"]
        return {"groups": groups, "batch": hosts, "same": hosts, "text": "a"}

    first, second = (magic.variables(groups, play, task, True, compute) for _ in range(2))
    assert len(times) == 1
    assert first == second
    assert first["batch"] is first["same"] is not second["batch"]
    assert first["groups"] is second["groups"] is groups
    magic.variables(groups, play, other, True, compute)
    magic.variables(groups, play, task, False, compute)
    magic.variables(groups, play, None, True, compute)
    magic.variables(groups, object(), task, True, compute)
    assert len(times) == 5
    magic.variables(dict(groups), play, task, True, compute)
    assert len(times) == 6
    magic.forget()
    magic.variables(groups, play, other, True, compute)
    assert len(times) == 7
