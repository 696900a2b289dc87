"""What Mitogen's interpreter on a target gives modules: each test in a process of its own, which it changes as a target is changed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from testbed.compare import assert_same

from tests.engine.conftest import Local

pytest.importorskip("ansible_mitogen.runner", reason="Ansible is not installed, or Mitogen refuses it")

START = """\
import json, os, sys, traceback
from mitopatch.targets import onboard
basic = onboard.basic
basic._ANSIBLE_ARGS = b'{"ANSIBLE_MODULE_ARGS": {}}'
basic._ANSIBLE_PROFILE = "legacy"
"""


#: Of a program that is not there.
TRACEBACK = "['<module>', '__init__', '_execute_child']"


def target(code: str) -> str:
    """Run this where modules are run; return what it printed."""
    done = subprocess.run([sys.executable, "-c", START + code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(sys.version_info < (3, 10), reason="Python knows vfork from 3.10")
def test_a_command_is_started_by_vfork() -> None:
    """Python tells of a fork, and not of a vfork."""
    assert target("""
class Own(basic.AnsibleModule):
    def _restore_signal_handlers(self):
        pass

forks = []
os.register_at_fork(before=lambda: forks.append(1))
module = basic.AnsibleModule({})
for arguments in {}, {"umask": 0o77}, {}, {"use_unsafe_shell": True}:
    assert module.run_command("sh -c umask", **arguments)[0] == 0
    print(len(forks))
Own({}).run_command("true")
basic.subprocess.Popen(["true"], preexec_fn=lambda: None).wait()
print(len(forks))
try:
    basic.subprocess.Popen(["/not/there"], preexec_fn=None, cwd="/")
except OSError:
    print([frame.name for frame in traceback.extract_tb(sys.exc_info()[2])])
""").splitlines() in (["0", "1", "1", "1", "2", TRACEBACK], ["0", "1", "1", "1", "3", TRACEBACK])  # from 2.18 nothing restores signals


IGNORED = """\
- hosts: all
  tasks:
    - ansible.builtin.command: grep SigIgn /proc/self/status
    - ansible.builtin.raw: grep SigIgn /proc/self/status
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.usefixtures("bundle_active")
@pytest.mark.parametrize("ignored", [(), (signal.SIGHUP,), (signal.SIGINT, signal.SIGQUIT)], ids=["nothing", "nohup", "background"])
def test_commands_ignore_what_the_run_ignores(local: Local, ignored: tuple[signal.Signals, ...]) -> None:
    """As ``nohup`` starts it, and a shell without job control that does not wait."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in ignored}
    try:
        plain, patched = local.both({"site.yml": IGNORED}, hosts=1)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert patched.workers
    assert_same(plain, patched)


OWN = """\
- hosts: all
  gather_facts: false
  tasks:
    - own: {}
    - ansible.builtin.command: "{{ ansible_python_interpreter }} -m site --user-site"
      register: place
      failed_when: "'/home/' not in place.stdout"
    - ansible.builtin.file: {path: "{{ place.stdout }}", state: directory}
    - ansible.builtin.copy: {content: "RELEASE = 'first'", dest: "{{ place.stdout }}/of_my_own.py"}
    - own: {}
"""
MODULE = """\
from ansible.module_utils.basic import AnsibleModule

module = AnsibleModule({})
try:
    from of_my_own import RELEASE
except ImportError as exc:
    RELEASE = str(exc)
module.exit_json(release=RELEASE)
"""


@pytest.mark.skipif(not os.path.exists("/usr/bin/python3"), reason="needs a Python that is no virtual environment")
@pytest.mark.usefixtures("bundle_active")
def test_libraries_of_the_users_own_are_found(local: Local) -> None:
    """Also where there were none before: Python looks for their directory when it begins."""
    inventory = "h1 ansible_connection=local ansible_python_interpreter=/usr/bin/python3\n"
    plain, patched = local.both({"site.yml": OWN, "library/own.py": MODULE}, inventory=inventory)
    assert patched.workers
    assert_same(plain, patched)
    assert [line["result"]["release"] for line in patched.events if "release" in line.get("result", {})][1] == "first"


def test_the_environment_is_what_it_was() -> None:
    """In the process and in Python, and in its order: after a task's own variables, and after whatever a module does."""
    assert (
        target("""
def show():
    return dict(os.environ), subprocess.check_output(["env", "-0"]), type(os.environ).__name__

os.environ.update(A="a", B="b", C="\\udcff", PWD=os.getcwd())
import subprocess
import ansible_mitogen.runner as runner
def nothing(): pass
def new(): os.environ["N"] = "n"
def change(): os.environ["A"] = "x"
def remove(): del os.environ["A"]
def order(): os.environ["A"] = os.environ.pop("A")
def put(): os.putenv("A", "x")
def unset(): os.unsetenv("A")
def replace(): os.environ = {}
def clear(): os.environ.clear()
for way in nothing, new, change, remove, order, put, unset, replace, clear:
    for own in {}, {"A": "own", "O": "own", "B": None}:
        before = show()
        temporary = runner.TemporaryEnvironment(own)
        assert all(os.environ.get(name) == value for name, value in own.items())
        way()
        temporary.revert()
        assert show() == before, way.__name__
""")
        == ""
    )


SHARING = """\
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.a.b.plugins.module_utils import help as shared
AnsibleModule(argument_spec={}).exit_json(word=shared.WORD, inside=shared.__file__.startswith("master:"))
"""


@pytest.mark.usefixtures("bundle_active")
def test_what_a_collection_shares_is_there_in_a_fork_too(local: Local) -> None:
    """A module that Mitogen isolates gets what it imports as any other, and need not be sent the upstream way."""
    files = {
        "site.yml": "- hosts: all\n  tasks:\n    - name: shares\n      a.b.sharing:\n",
        "collections/ansible_collections/a/b/plugins/modules/sharing.py": SHARING,
        "collections/ansible_collections/a/b/plugins/module_utils/help.py": "WORD = 'shared'\n",
    }
    variables = f"ansible_connection=local\nansible_python_interpreter={sys.executable}\n"
    inventory = f"h1\nh2 mitogen_task_isolation=fork\n[all:vars]\n{variables}"
    plain, patched = local.both(files, inventory=inventory)
    assert plain.values("word") == patched.values("word") == {"shares": {"h1": "shared", "h2": "shared"}}
    inside = patched.values("inside")["shares"]
    assert inside["h2"] == inside["h1"]
