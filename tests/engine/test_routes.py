"""Which host-tasks run in a worker and which in a fork of upstream's, seen from outside; in each case the result is plain's."""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from testbed import events
from testbed.compare import assert_same, difference
from testbed.inventory import interpreter

from tests.engine.conftest import Local, LocalRun, order, series

CONNECTION = '''
from ansible.plugins.connection.local import Connection as Local

DOCUMENTATION = """
name: mine
short_description: local, but it leaves a trace
description: A connection plugin of the user, next to the playbook.
options:
  trace:
    description: what the trace says
    default: of the plugin
    vars: [{name: trace}]
"""


class Connection(Local):
    transport = "mine"

    def exec_command(self, cmd, in_data=None, sudoable=True):
        return super().exec_command(f"TRACE='{self.get_option('trace')}'; export TRACE; {cmd}", in_data, sudoable)
'''
SU = shutil.which("su") is not None


def worker_tasks(run: LocalRun) -> dict[str, bool]:
    """Task -> whether it ran in a worker, by what ``meet`` tells; all hosts must agree."""
    found = {}
    for task, hosts in run.values("worker_pid").items():
        (found[task],) = {pid in run.workers for pid in hosts.values()}
    return found


def play(tasks: str, hosts: str = "all", more: str = "") -> str:
    lines = "".join(f"    {line}\n" for line in tasks.strip("\n").split("\n"))
    return f"- hosts: {hosts}\n  gather_facts: false\n{more}  tasks:\n{lines}"


ROUTES = {
    "site.yml": play(
        """
- name: ordinary
  meet:
- name: time limit
  meet:
  timeout: 60
- name: time limit that is reached
  command: sleep 30
  timeout: 1
  ignore_errors: true
- name: listed
  listed:
- name: by su
  meet:
  become: true
  become_method: su
  become_user: "{{ me }}"
- name: who by su
  command: id -un
  become: true
  become_method: su
  become_user: "{{ me }}"
  ignore_errors: true
- name: inherits
  meet:
- name: delegated
  meet:
  delegate_to: h2
- name: once
  meet:
  run_once: true
- name: trace in a loop
  shell: echo "[$TRACE]"
  vars: {ansible_connection: "{{ item }}"}
  loop: [local, mine, local]
- name: own connection
  meet:
  vars: {ansible_connection: mine}
- name: apart from the terminal
  meet:
  vars: {ansible_worker_session_isolation: true}
- name: with the terminal
  meet:
  vars: {ansible_worker_session_isolation: false}
- name: trace
  command: printenv TRACE
  vars: {ansible_connection: mine, trace: "{{ mine }}"}
"""
    ),
    "connection_plugins/mine.py": CONNECTION,
    "action_plugins/listed.py": (Path(__file__).parent / "plugins" / "meet.py").read_text(),
}


def test_who_wants_the_files_of_modules(local: Local) -> None:
    """Where they are kept, all is forked: upstream's lines at -vvv say where they are."""
    _, patched = local.both({"site.yml": play("- name: kept\n  meet:")}, env={"ANSIBLE_KEEP_REMOTE_FILES": "1"})
    assert patched.rc == 0, patched.text
    assert worker_tasks(patched) == {"kept": False}


def test_routes(local: Local) -> None:
    """Every route in one playbook: who runs what, and the same events, outputs and files as plain."""
    files = dict(ROUTES)
    if not SU or getpass.getuser() != "root":
        files["site.yml"] = files["site.yml"].replace("become_method: su", "become_method: sudo").replace("become: true", "become: false")
    plain, patched = local.both(files, env={"MITOPATCH_FORK_ACTIONS": "other,listed"}, args=["-e", f"me={getpass.getuser()}"])
    assert plain.rc == 0, plain.text
    wanted = {
        "ordinary": True, "own connection": False, "time limit": False, "listed": False,
        "by su": "become_method: su" not in files["site.yml"], "inherits": True, "delegated": True, "once": True,
        "apart from the terminal": True, "with the terminal": series() < (2, 21),
    }  # fmt: skip
    assert patched.rc == 0, patched.text
    assert worker_tasks(patched) == wanted
    assert patched.values("stdout")["trace"] == {"h1": "of_h1", "h2": "of_h2"}
    looped = {host: [item["stdout"] for item in items] for host, items in patched.values("results")["trace in a loop"].items()}
    # Up to 2.12 upstream keeps the connection of a loop's first item.
    second = "[of the plugin]" if series() >= (2, 13) else "[]"
    assert looped == {host: ["[]", second, "[]"] for host in ("h1", "h2")}
    assert_same(plain, patched)


CHANGES = {
    "site.yml": """
- hosts: first
  gather_facts: false
  tasks:
    - name: start the workers
      meet:
    - name: add hosts
      add_host:
        name: "added_{{ item }}"
        groups: [added, "made_of_{{ item }}"]
        ansible_connection: local
        ansible_python_interpreter: "{{ ansible_python_interpreter }}"
        number: "{{ item }}"
      loop: [1, 2, 3]
    - name: group them
      group_by:
        key: "by_{{ inventory_hostname }}"
    - name: see them
      debug:
        msg: "{{ groups['added'] }} {{ hostvars['added_2'].number }} {{ groups['by_h1'] }} {{ group_names }}"
- hosts: added:by_h1
  gather_facts: false
  tasks:
    - name: on added hosts
      meet:
        name: "{{ number | default(inventory_hostname) }}"
    - name: of group variables
      debug:
        msg: "{{ of_group | default('none') }} {{ groups['all'] | sort }} {{ ansible_play_hosts }}"
    - name: facts of added hosts
      set_fact:
        later: "{{ inventory_hostname }}"
    - name: a role with plugins of its own
      include_role:
        name: late
    - name: what the role has left
      debug:
        msg: "{{ from_role }} {{ hostvars['added_3'].later }}"
- hosts: first
  gather_facts: false
  tasks:
    - name: the inventory grows
      copy:
        content: "[\\"new1\\", \\"new2\\"]"
        dest: "{{ playbook_dir }}/targets/more"
      run_once: true
    - meta: refresh_inventory
    - name: after the refresh
      debug:
        msg: "{{ groups['all'] | sort }} {{ hostvars['new1'].size | default('none') }} {{ groups.get('added') }}"
    - name: by a worker still
      meet:
- hosts: new
  gather_facts: false
  tasks:
    - name: on new hosts
      meet:
        name: "{{ size }}"
- hosts: first
  gather_facts: false
  tasks:
    - name: facts from before the refresh
      set_fact:
        kept: "{{ kept | default('') }}x"
    - meta: clear_facts
    - name: facts from before clearing
      debug:
        msg: "{{ kept | default('gone') }}"
    - meta: end_host
      when: inventory_hostname == 'h2'
    - name: one is left
      debug:
        msg: "{{ ansible_play_hosts }} {{ ansible_play_hosts_all }} {{ ansible_play_batch }}"
""",
    "group_vars/made_of_2.yml": "of_group: two\n",
    "group_vars/all.yml": f"ansible_connection: local\nansible_python_interpreter: {sys.executable}\n",
    "roles/late/filter_plugins/late.py": """
class FilterModule:
    def filters(self):
        return {"late": lambda text: f"late {text}"}
""",
    "roles/late/library/late_module.py": """#!/usr/bin/python
from ansible.module_utils.basic import AnsibleModule
module = AnsibleModule(dict(text=dict()))
module.exit_json(changed=True, said=module.params["text"])
""",
    "roles/late/action_plugins/late_action.py": """
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        return {"changed": False, "did": self._task.args}
""",
    "roles/late/defaults/main.yml": "of_role: default\n",
    "roles/late/tasks/main.yml": """
- late_module:
    text: "{{ inventory_hostname | late }} {{ of_role }}"
  register: outcome
- late_action:
    text: "{{ outcome.said }}"
- set_fact:
    from_role: "{{ outcome.said | late }}"
""",
    "inventory.py": """#!/usr/bin/env python3
import json, os
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "targets", "more")
new = json.load(open(path)) if os.path.exists(path) else []
hosts = {"h1": {}, "h2": {}, **{name: {"size": len(name)} for name in new}}
print(json.dumps({"first": {"hosts": ["h1", "h2"]}, "new": {"hosts": new}, "_meta": {"hostvars": hosts}}))
""",
}


def test_what_changes_after_the_workers_have_started(local: Local) -> None:
    """Hosts, groups, roles with plugins, facts, the whole inventory: a worker sees what the controller sees."""
    plain, patched = local.both(CHANGES, args=["-i", "inventory.py"])
    assert plain.rc == 0, plain.text
    assert patched.rc == 0, patched.text
    assert_same(plain, patched)
    assert worker_tasks(patched) == {"start the workers": True, "on added hosts": True, "by a worker still": True, "on new hosts": True}
    assert {host: int(found["name"]) for host, found in patched.values("arguments")["on new hosts"].items()} == {"new1": 4, "new2": 4}
    assert patched.values("said")["late : late_module"]["added_2"] == "late added_2 default"


ROLES = {
    "site.yml": """
- hosts: all
  gather_facts: false
  roles:
    - {role: outer, mark: one}
    - {role: outer, mark: two}
    - {role: inner, mark: three}
""",
    "roles/outer/meta/main.yml": "dependencies: [{role: inner, by: outer}]\n",
    "roles/outer/tasks/main.yml": "- name: outer\n  meet:\n- debug: {msg: '{{ mark }}'}\n",
    "roles/inner/tasks/main.yml": "- name: inner\n  meet:\n- debug: {msg: '{{ by | default(mark) }}'}\n",
}


def test_roles_that_upstream_compares(local: Local) -> None:
    """A dependency, or a second use of a role, makes upstream compare roles and keep what it compared: no reason to fork."""
    plain, patched = local.both(ROLES)
    assert plain.rc == 0, plain.text
    assert patched.rc == 0, patched.text
    assert_same(plain, patched)
    found = worker_tasks(patched)
    assert found
    assert all(found.values()), found


# Each host waits in its task until all the others have begun theirs, then says which interpreter runs it. Two workers: hosts that are
# this machine share interpreters.
MEETING = (
    "mkdir -p {0}; touch {0}/$H; for i in $(seq 100); do test $(ls {0} | wc -l) -eq 5 && break; sleep 0.4; done;"
    " test $i -lt 100 && echo $PPID && tr '\\0' ' ' < /proc/$PPID/cmdline"
)
SIDE_BY_SIDE = {
    "site.yml": play(
        f"""
- name: on a local connection
  shell: {MEETING.format("met/local")}
  args: {{chdir: "{{{{ playbook_dir }}}}"}}
- name: delegated
  shell: {MEETING.format("met/delegated")}
  args: {{chdir: "{{{{ playbook_dir }}}}"}}
  delegate_to: localhost
""",
        more="  environment: {H: '{{ inventory_hostname }}'}\n",
    )
}


def test_hosts_that_are_one_machine_run_side_by_side(local: Local) -> None:
    """A module that takes long keeps nobody from running theirs, though they share a connection."""
    plain, patched = local.both(SIDE_BY_SIDE, hosts=5, env={"MITOPATCH_WORKERS": "2"})
    assert plain.rc == 0, plain.text
    assert patched.rc == 0, patched.text
    assert order(patched) == order(plain)
    assert "AnsiballZ" in str(plain.values("stdout"))
    said = patched.values("stdout_lines")
    assert "AnsiballZ" not in str(said)  # nothing was forked
    assert [len({pid for pid, _ in hosts.values()}) for hosts in said.values()] == [5, 5], said


BEFORE = "{{ groups['all'] | map('extract', hostvars) | map(attribute='before.stdout_lines') | map('first') | join(' ') }}"
RESET = {
    "site.yml": play(
        f"""
- name: before
  shell: {MEETING.format("met/before")}
  args: {{chdir: "{{{{ playbook_dir }}}}"}}
  register: before
- meta: reset_connection
- name: left
  # They are told to end, and that may take a moment.
  shell: for p in {BEFORE}; do for _ in $(seq 200); do test -e /proc/$p || break; sleep 0.1; done; test ! -e /proc/$p || echo $p; done
- name: after
  shell: {MEETING.format("met/after")}
  args: {{chdir: "{{{{ playbook_dir }}}}"}}
""",
        more="  environment: {H: '{{ inventory_hostname }}'}\n",
    )
}


def test_a_reset_ends_all_interpreters_of_a_connection(local: Local) -> None:
    """Also those that were started for hosts that found the first one taken; then there are as many again."""
    plain, patched = local.both(RESET, hosts=5, env={"MITOPATCH_WORKERS": "2"})
    assert plain.rc == 0, plain.text
    assert patched.rc == 0, patched.text
    assert order(patched) == order(plain)
    assert patched.values("stdout")["left"] == plain.values("stdout")["left"] == {f"h{number}": "" for number in range(1, 6)}
    said = patched.values("stdout_lines")
    assert "AnsiballZ" not in str(said)
    before, after = ({pid for pid, _ in said[name].values()} for name in ("before", "after"))
    assert (len(before), len(after)) == (5, 5), said
    assert not before & after


OF_CURRENT_USER = {
    "site.yml": play(
        """
- name: files of a module
  copy: {content: x, dest: "{{ playbook_dir }}/targets/{{ inventory_hostname }}"}
- name: delegated
  stat: {path: "~/.ansible"}
  delegate_to: localhost
- name: another
  command: id -un
  become: "{{ sudo }}"
  become_user: "{{ ansible_user }}"
- name: in mid-loop
  command: id -un
  become: "{{ sudo }}"
  become_user: "{{ item }}"
  loop: ["{{ me }}", "{{ ansible_user }}"]
"""
    )
}


def test_a_local_connection_is_the_current_users(local: Local) -> None:
    """Whatever user the host has for other connections: by that name plain Ansible finds the home, and knows whom to become."""
    me, other = getpass.getuser(), "nobody" if getpass.getuser() == "root" else "root"
    command = ["sudo", "-n", "-u", other, "true"]
    sudo = shutil.which("sudo") is not None and subprocess.run(command, capture_output=True, timeout=20, check=False).returncode == 0
    args = ["-e", f"ansible_user={other} me={me} ansible_python_interpreter={interpreter()}", "-e", f"{{sudo: {str(sudo).lower()}}}"]
    plain, patched = local.both(OF_CURRENT_USER, args=args)
    assert plain.rc == 0, plain.text
    assert_same(plain, patched)
    said = set(patched.values("stdout")["another"].values())
    assert said == {other if sudo else me}
    made = [sorted(str(path.relative_to(run.directory)) for path in run.directory.glob("home/.ansible/**/*")) for run in (plain, patched)]
    assert made[0] == made[1]


#: `known` has its interpreter from its facts, `unknown` from nobody; `far` has another.
DISCOVERED = {
    "site.yml": play("- setup: {gather_subset: ['!all', '!min', env]}", "known")
    + play(
        """
- name: known
  find: {paths: [/nothing]}
  delegate_to: known
- name: unknown
  find: {paths: [/nothing]}
  delegate_to: unknown
- name: in a loop
  stat: {path: "/nothing/{{ item }}"}
  delegate_to: "{{ item }}"
  loop: [known, unknown]
- name: with facts
  find: {paths: [/nothing]}
  delegate_to: unknown
  delegate_facts: true
- name: facts
  debug: {msg: "{{ [hostvars['known'], hostvars['unknown'], hostvars['far']] | map(attribute='ansible_facts') | map('list') }}"}
""",
        "far",
    )
}


def test_the_interpreter_of_a_delegate(local: Local) -> None:
    """It is what is known or found out about the delegate, and no fact of the task's own host."""
    inventory = f"far ansible_python_interpreter={interpreter()}\nknown\nunknown\n[all:vars]\nansible_connection=local\n"
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    plain, patched = local.both(DISCOVERED, inventory=inventory, env=env)
    assert plain.rc == 0, plain.text
    assert_same(plain, patched)


MISSING = {
    "site.yml": play("- missing: {names: [no_such_library, no_such_library.part, json.no_such_part, os.path.none, docker_of_nobody]}"),
    "library/missing.py": """#!/usr/bin/python
import importlib
import traceback

from ansible.module_utils.basic import AnsibleModule

try:
    import no_such_library
    found = ""
except ImportError:
    found = traceback.format_exc().splitlines()[-1]


def main():
    module = AnsibleModule({"names": {"type": "list", "elements": "str"}})
    said = {"at the top": found}
    for name in module.params["names"]:
        try:
            importlib.import_module(name)
        except ImportError as exc:
            said[name] = [type(exc).__name__, str(exc), getattr(exc, "name", None)]
    module.exit_json(said=said)


if __name__ == "__main__":
    main()
""",
}


def test_a_library_that_is_not_there(local: Local) -> None:
    """Modules show the words of Python about it; Mitogen has others, and another class."""
    plain, patched = local.both(MISSING, hosts=1)
    assert plain.rc == 0, plain.text
    assert "No module named 'no_such_library'" in str(plain.values("said"))
    assert_same(plain, patched)
    assert "AnsiballZ" not in str(patched.events)


VARS_PLUGIN = {
    "site.yml": play(
        """
- name: first
  meet:
- name: spoil it
  copy: {content: x, dest: "{{ playbook_dir }}/targets/spoilt"}
  run_once: true
- name: second
  meet:
- name: third
  meet:
"""
    ),
    "vars_plugins/spoilt.py": '''
import os

from ansible.plugins.vars import BaseVarsPlugin

DOCUMENTATION = """
name: spoilt
short_description: fails in the middle of a run
description: As a plugin does whose server goes away.
"""


class VarsModule(BaseVarsPlugin):
    REQUIRES_ENABLED = False

    def get_vars(self, loader, path, entities, cache=True):
        if os.path.exists(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "targets", "spoilt")):
            raise RuntimeError("the server of the variables is gone")
        return {}
''',
}


TOLD = {
    "site.yml": play("- name: first\n  meet:\n- meta: noop\n- name: second\n  meet:\n", more="  force_handlers: true\n"),
    "vars_plugins/told.py": VARS_PLUGIN["vars_plugins/spoilt.py"],
}


def test_debug_tells_of_each_computation(local: Local) -> None:
    """With ANSIBLE_DEBUG a vars plugin is told as often as upstream asks it, for tasks of meta too, which read no variable."""
    plain, patched = local.both(TOLD, env={"ANSIBLE_DEBUG": "true"})
    assert plain.rc == patched.rc == 0, patched.text
    count = plain.text.count("Loading VarsModule 'told'")
    assert count > 10
    assert patched.text.count("Loading VarsModule 'told'") == count


def test_a_vars_plugin_that_fails(local: Local) -> None:
    """Upstream computes variables in the controller, where the error ends the run: so it ends here."""
    plain, patched = local.both(VARS_PLUGIN)
    assert plain.rc != 0
    assert patched.rc == plain.rc, patched.text
    assert "the server of the variables is gone" in plain.text
    assert "the server of the variables is gone" in patched.text
    assert order(patched) == order(plain)
    assert not patched.leftovers


def test_unreachable_hosts(local: Local) -> None:
    """A connection that Mitogen cannot make gives upstream's own message; other hosts go on; a rescue is not needed."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: nobody else can have the port meanwhile
        inventory = (
            f"h1 ansible_connection=local\nh2 ansible_connection=ssh ansible_host=127.0.0.1 ansible_port={closed.getsockname()[1]}\n"
            "h3 ansible_connection=docker ansible_host=nowhere ansible_docker_extra_args=--nonsense\nh4 ansible_connection=nosuchplugin\n"
            f"[all:vars]\nansible_python_interpreter={sys.executable}\n"
        )
        files = {
            "site.yml": play(
                """
- name: try
  command: echo tried
  ignore_unreachable: true
- name: those that are left
  debug:
    msg: "{{ ansible_play_hosts }}"
- name: once more
  ping:
  ignore_unreachable: true
"""
            )
        }
        if shutil.which("ssh") is None:
            pytest.skip("needs an ssh client (ssh is not installed)")
        if shutil.which("docker") is None:
            inventory = "\n".join(line for line in inventory.splitlines() if not line.startswith("h3")) + "\n"
        plain, patched = local.both(files, inventory=inventory)
    assert order(plain) == order(patched)
    assert plain.rc == patched.rc
    assert not difference(plain, patched)
    assert "h2" in plain.values("msg", "unreachable")["try"]
    assert events.stats(patched.events)["h1"]["ok"] == 3


DEBUGGER = {
    "site.yml": play(
        """
- name: before
  meet:
- name: mended
  command: "false"
  debugger: on_failed
- name: by variables
  command: "{{ program }}"
  debugger: on_failed
  vars: {program: "false"}
- name: go on
  command: "false"
  debugger: on_failed
  ignore_errors: true
- name: after
  meet:
- name: stop
  command: "false"
  debugger: on_failed
- name: never
  meet:
"""
    )
}
SCRIPT = (
    "p task.args\ntask.args['_raw_params'] = 'echo mended'\nredo\n"
    "p task_vars['program']\ntask_vars['program'] = 'echo by variables'\nupdate_task\nredo\ncontinue\np result._result['rc']\nquit\n"
)


def test_the_debugger(local: Local) -> None:
    """Scripted on standard input: arguments and variables changed and done again, gone on, stopped; all as plain."""
    plain, patched = local.both(DEBUGGER, hosts=1, text=SCRIPT)
    assert "never" not in plain.values("worker_pid")
    assert patched.rc == plain.rc, patched.text
    assert order(patched) == order(plain)
    assert patched.values("stdout") == plain.values("stdout")
    assert plain.values("stdout")["mended"] == {"h1": "mended"}
    assert plain.stdout.count("(debug)>") == patched.stdout.count("(debug)>") >= 7
    assert events.stats(plain.events) == events.stats(patched.events)


ASKING = {
    "site.yml": play(
        """
- name: ask
  meet:
    name: ask
    with: [h1, h2]
    ask: "name of"
- name: go on
  pause:
    prompt: press something
- name: say
  debug:
    msg: done
"""
    )
}


@pytest.mark.skipif(series() < (2, 16), reason="tasks can ask through Display from ansible-core 2.15 on")
def test_prompts(local: Local) -> None:
    """Two tasks ask at the same time, on one terminal: each gets the answer to its own question."""
    answers = {"name of h1?": "one\r", "name of h2?": "two\r", "press something": "yes\r"}
    run = local.answer(ASKING, answers, env={"MITOPATCH_WORKERS": "1"})
    assert run.rc == 0, run.text
    assert run.values("answer") == {"ask": {"h1": "one", "h2": "two"}}
    assert run.values("user_input")["go on"] == {"h1": "yes"}
    assert worker_tasks(run) == {"ask": True}


PAUSE = {
    "site.yml": play("- name: wait\n  pause: {seconds: 1}\n- name: ask\n  pause: {prompt: well}\n- name: after\n  meet:").replace(
        "- hosts: all\n", "- hosts: all\n  vars_prompt: [{name: word, prompt: the word, private: false}]\n"
    )
    + "    - name: word\n      debug: {msg: '{{ word }}'}\n"
}


def test_pause(local: Local) -> None:
    """It talks to the user's terminal; the prompts of a play are asked before any worker starts."""
    runs = [local.answer(PAUSE, {"the word": "secret\r", "well": "fine\r"}, arm, lines=["the word"]) for arm in ("plain", "mitopatch")]
    for run in runs:
        assert run.rc == 0, run.text
        assert run.values("user_input")["ask"] == {"h1": "fine"}
        assert run.values("msg")["word"] == {"h1": "secret", "h2": "secret"}
        assert run.values("delta")["wait"]["h1"] >= 1
    assert worker_tasks(runs[1]) == {"after": True}


TEMPLATED = {
    "site.yml": play(
        """
- name: "hello {{ mine }}"
  debug: {msg: x}
- name: throttled
  debug: {msg: x}
  throttle: "{{ 1 + 0 }}"
- name: once
  debug: {msg: x}
  run_once: "{{ mine is defined }}"
- name: chosen action
  action: "{{ 'debug' }} msg=y"
- name: included
  include_tasks: "{{ 'inc' }}.yml"
  when: mine is defined
- name: added
  add_host: {name: "z_{{ item }}"}
  loop: "{{ [mine] }}"
- name: ends
  meta: end_host
  when: mine == 'of_h1'
- name: left
  debug: {msg: left}
"""
    ),
    "inc.yml": "- name: in {{ mine }}\n  debug: {msg: included}\n",
}


def test_what_the_controller_templates(local: Local) -> None:
    """Names, throttle, run_once, actions, includes, conditions of meta: all read variables that are computed only then."""
    plain, patched = local.both(TEMPLATED)
    assert plain.rc == patched.rc == 0, patched.text
    assert "hello of_h1" in patched.stdout
    assert_same(plain, patched)


COUNTING = """
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        with open(self._task.args["count"], "a") as handle:
            handle.write("x")
        result.update(self._execute_module(module_name="ping", module_args={}, task_vars=task_vars))
        return result
"""


def test_an_action_runs_once_though_its_host_is_unreachable(local: Local) -> None:
    """What an action did on the controller before it connected must not be done twice."""
    if shutil.which("ssh") is None:
        pytest.skip("needs an ssh client (ssh is not installed)")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        inventory = f"h1 ansible_connection=ssh ansible_host=127.0.0.1 ansible_port={closed.getsockname()[1]}\n"
        files = {
            "site.yml": play("- name: count\n  counting: {count: '{{ playbook_dir }}/targets/count'}"),
            "action_plugins/counting.py": COUNTING,
        }
        plain, patched = local.both(files, inventory=inventory)
    assert (plain.directory / "targets" / "count").read_text() == "x"
    assert plain.rc == patched.rc == 4
    assert (patched.directory / "targets" / "count").read_text() == "x"


PROCESS_WIDE = {
    "action_plugins/alters.py": """
import os, sys
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        os.environ["ALTERED"] = "yes"
        os.umask(0o077)
        os.chdir("/")
        print("altered", task_vars["inventory_hostname"])
        return dict(super().run(tmp, task_vars), worker_pid=os.getpid(), cwd=os.getcwd())
""",
    "action_plugins/prints.py": """
import os, sys
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        print("printed for", task_vars["inventory_hostname"], flush=True)
        sys.stderr.write("written for %s\\n" % task_vars["inventory_hostname"])
        return dict(super().run(tmp, task_vars), worker_pid=os.getpid(), path=os.environ.get("PATH"))
""",
    "site.yml": play(
        """
- name: alters
  alters:
- name: left as it was
  debug:
    msg: "{{ lookup('env', 'ALTERED') }} {{ lookup('pipe', 'pwd; umask; echo $ALTERED') }}"
- name: prints
  prints:
"""
    ),
}


def test_process_wide(local: Local) -> None:
    """A plugin that changes its process has one of its own; one that only prints stays on a thread, and its words come out."""
    plain, patched = local.both(PROCESS_WIDE, timeout=240)
    assert plain.rc == 0, plain.text
    assert worker_tasks(patched) == {"alters": False, "prints": True}
    if series() < (2, 19):  # since then a warning
        assert plain.stdout.count("printed for") == patched.stdout.count("printed for") == 2
        assert plain.stderr.count("written for") == patched.stderr.count("written for") == 2
    assert_same(plain, patched)


ALTERS = (
    "os.environ['A'] = 'b'", "os.environ.update(x)", "del os.environ['x']", "os.chdir(x)", "os.umask(0)", "sys.stdout = x",
    "signal.alarm(1)", "contextlib.redirect_stdout(x)", "input('x')", "sys.exit(1)", "display.prompt('x')", "self._display.prompt_until(x)",
)  # fmt: skip
KEEPS = (
    "os.environ['A'] == 'b'", "os.environ.get('A')", "x = os.environ['A']", "dict(os.environ, a=1)", "os.environ.copy()", "os.path.x",
    "sys.stdout.write(x)", "get_input(", "self.input(x)",
)  # fmt: skip


def test_signs_of_process_wide() -> None:
    """What counts as changing the process in a plugin's text, and what only reads."""
    pytest.importorskip("ansible")
    from mitopatch.versions import process_wide

    assert [text for text in ALTERS if not process_wide._SIGNS.search(text)] == []
    assert [text for text in KEEPS if process_wide._SIGNS.search(text)] == []
