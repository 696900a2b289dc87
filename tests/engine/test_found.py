"""What the check and random playbooks have found, each in its shortest form: the same as plain Ansible, by the worker."""

from __future__ import annotations

import sys

import pytest
from testbed.compare import assert_same

from .conftest import Local, series

HOSTS = "".join(f"h{number}\n" for number in range(1, 4)) + "[all:vars]\nansible_connection=local\n"
ON_DISK = "fact_caching = jsonfile\nfact_caching_connection = facts\n"
#: Iterating over hostvars gives nothing in some releases until somebody has asked for the implicit localhost.
LOCALHOST = """
- hosts: all
  gather_facts: false
  tasks:
    - {name: Before, debug: {msg: "{{ hostvars | list }} {{ hostvars | length }}"}}
    - {name: Asked by a task, debug: {msg: "{{ hostvars | list }}"}, delegate_to: localhost}
    - {name: After a task, debug: {msg: "{{ hostvars | list }} {{ hostvars | length }}"}}
- hosts: localhost
  gather_facts: false
  tasks:
    - {name: Asked by a play, debug: {msg: "{{ hostvars | list }} {{ inventory_hostname }}"}}
    - {name: Grouped, group_by: {key: late}}
- hosts: all
  gather_facts: false
  tasks:
    - {name: After a play, debug: {msg: "{{ hostvars | list }} {{ hostvars | length }} {{ groups.late }}"}}
"""
#: From 2.21 the hosts of a run_once task share one dictionary of facts.
SHARED = """
- hosts: all
  gather_facts: false
  tasks:
    - {name: Once, set_fact: {b: 1, a: 1, cacheable: true}, run_once: true}
    - {name: For one, set_fact: {c: "{{ inventory_hostname }}", cacheable: true}, when: inventory_hostname == 'h2'}
    - {name: Facts, debug: {msg: "{{ ansible_facts }} {{ hostvars.h3.ansible_facts }}"}}
    - {name: Added, add_host: {name: "", x: 1}, ignore_errors: true, when: only_a_task_fails | bool}
    - {name: Facts again, debug: {msg: "{{ ansible_facts }} {{ groups.all }}"}}
"""
TWICE = """
- hosts: all
  gather_facts: false
  roles: [one, one]
  tasks:
    - {name: Process, debug: {msg: "{{ lookup('pipe', 'echo $PPID') }}"}}
"""
#: Groups below groups that the tasks make: in plain Ansible their order is that of addresses, the same for all tasks of a run.
ORDER = """
- hosts: all
  gather_facts: false
  tasks:
    - {name: Grouped, group_by: {key: "of_{{ inventory_hostname }}", parents: ["above_{{ inventory_hostname }}"]}}
    - {name: Added, add_host: {name: "new_{{ inventory_hostname }}", groups: ["of_{{ inventory_hostname }}"]}}
    - {name: Below, group_by: {key: "last_{{ inventory_hostname }}", parents: ["of_{{ inventory_hostname }}"]}}
    - {name: Order, debug: {msg: "{{ groups.all | select('match', 'new_') | join(' ') }}"}}
"""
#: The first role of a play that had none when it was sent to the workers.
INCLUDED = """
- hosts: all
  gather_facts: false
  tasks:
    - {name: Before, debug: {msg: "{{ of_role | default('none') }} {{ ansible_role_names }}"}}
    - {name: Include, include_role: {name: one, public: true}}
    - {name: After, debug: {msg: "{{ of_role }} {{ ansible_role_names }} {{ ansible_play_role_names }}"}}
"""
#: Facts of a host that comes late: on disk they are sorted, and there before the worker has had its turn with the first.
LATE = """
- hosts: h1
  gather_facts: false
  tasks:
    - {name: Late, add_host: {name: late, ansible_connection: local}}
    - {name: First, set_fact: {zeta: 1, alpha: 1, cacheable: true}, delegate_to: late, delegate_facts: true}
    - {name: Second, set_fact: {beta: 1, cacheable: true}, delegate_to: late, delegate_facts: true}
    - {name: Order, debug: {msg: "{{ hostvars.late.ansible_facts | list }}"}}
- hosts: all
  gather_facts: false
  tasks:
    - {name: Order, debug: {msg: "{{ hostvars.late.ansible_facts | list }}"}}
"""
PLAYBOOKS = {
    "localhost": (LOCALHOST, ""),
    "shared": (SHARED, ""),
    "included": (INCLUDED, ""),
    "shared-on-disk": (SHARED, ON_DISK),
    "late-on-disk": (LATE, ON_DISK),
}


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_the_same_as_plain(local: Local, name: str) -> None:
    text, config = PLAYBOOKS[name]
    files = {"site.yml": text, "roles/one/defaults/main.yml": "of_role: one", "roles/one/tasks/main.yml": "- {debug: {msg: x}}"}
    options = {"inventory": HOSTS, "config": config, "timeout": 300, "args": ["-e", f"only_a_task_fails={series() >= (2, 21)}"]}
    checked = local.run(files, env={"MITOPATCH_CHECK": "1"}, **options)
    assert "MP2" not in checked.text, checked.text
    plain = local.run(files, "plain", **options)
    assert plain.rc == 0, plain.text
    assert_same(plain, checked)


def test_a_role_that_is_named_twice_runs_in_the_workers(local: Local) -> None:
    role = "- {name: Of the role, debug: {msg: x}}"
    run = local.run({"site.yml": TWICE, "roles/one/tasks/main.yml": role}, inventory=HOSTS, timeout=300)
    assert run.rc == 0, run.text
    assert {int(pid) for pid in run.values("msg")["Process"].values()} <= run.workers, run.text


def test_groups_that_tasks_make_have_one_order(local: Local) -> None:
    hosts = "".join(f"h{number}\n" for number in range(1, 9)) + "[all:vars]\nansible_connection=local\n"
    env = {"MITOPATCH_CHECK": "all", "MITOPATCH_WORKERS": "2"}
    run = local.run({"site.yml": ORDER}, inventory=hosts, env=env, timeout=300)
    assert run.rc == 0, run.text
    orders = run.values("msg")["Order"]
    assert len(orders) == 8
    assert len(set(orders.values())) == 1, orders


#: Upstream sets the directory anew for each play: its variables, templates and files are beside its playbook.
ELSEWHERE = {
    "site.yml": """
- hosts: all
  gather_facts: false
  tasks: [{name: First, debug: {msg: "{{ playbook_dir }} {{ beside | default('nothing') }}"}}]
- import_playbook: other/more.yml
- hosts: all
  gather_facts: false
  tasks: [{name: Last, debug: {msg: "{{ playbook_dir }} {{ beside | default('nothing') }} {{ lookup('file', 'text') }}"}}]
""",
    "other/more.yml": """
- hosts: all
  gather_facts: false
  vars_files: [vars.yml]
  tasks:
    - {name: There, debug: {msg: "{{ playbook_dir }} {{ beside | default('nothing') }} {{ of_file }} {{ lookup('file', 'text') }}"}}
    - {name: Template, template: {src: one.j2, dest: "{{ playbook_dir }}/{{ inventory_hostname }}"}}
""",
    "text": "first",
    "other/text": "other",
    "other/vars.yml": "of_file: vars",
    "other/one.j2": "{{ beside }}",
    "other/group_vars/all.yml": "beside: other",
}


def test_a_playbook_in_another_directory(local: Local) -> None:
    inventory = HOSTS + f"ansible_python_interpreter={sys.executable}\n"
    checked = local.run(ELSEWHERE, env={"MITOPATCH_CHECK": "1"}, inventory=inventory, timeout=300)
    assert "MP2" not in checked.text, checked.text
    plain = local.run(ELSEWHERE, "plain", inventory=inventory, timeout=300)
    assert plain.rc == 0, plain.text
    assert_same(plain, checked)


#: From 2.19 what is warned of while a task runs is in its result; who is delegated to has the hosts of the play worked out anew.
NO_SUCH_HOSTS = """
- hosts: all:!no_such_group
  gather_facts: false
  tasks:
    - {name: Delegated, file: {path: /, state: directory}, delegate_to: localhost}
    - {name: Delegated again, debug: {msg: "{{ ansible_play_hosts_all }}"}, delegate_to: localhost}
- hosts: all:!no_such_group_either
  gather_facts: false
  tasks:
    - {name: Delegated, file: {path: /, state: directory}, delegate_to: localhost, loop: [1, 2]}
"""


def test_hosts_that_are_not_there_are_warned_of_once(local: Local) -> None:
    """The workers had to find the hosts of a play themselves, and each warned in the result of its first delegated task."""
    assert_same(*local.both({"site.yml": NO_SUCH_HOSTS}, inventory=HOSTS + f"ansible_python_interpreter={sys.executable}\n", timeout=300))
