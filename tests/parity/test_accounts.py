"""Between accounts of one target: what the login account has under become, plain and patched side by side.

The login account can read and change what it hands on to sudo, in plain Ansible too: it can put another sudo into its PATH. These tests
say what another process of that account can do which does nothing of the kind, at which moment.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from testbed import neighbour, strange, stranger
from testbed.compare import assert_same
from testbed.inventory import interpreter
from testbed.runs import Arm, Bench, Run, Started

ARMS: tuple[Arm, ...] = ("plain", "mitopatch")
#: What a neighbour looks for. The module makes its result of its parameter, so that one is not the other.
SECRETS = {"password": stranger.PASSWORD, "parameter": "para-5ecret-", "result": "-t3rces-arap"}
HOLD = """\
#!/usr/bin/python
import os
import time
from ansible.module_utils.basic import AnsibleModule

module = AnsibleModule({"moment": {}, "gate": {}, "secret": {"no_log": False}})
gate = module.params["gate"]
open(os.path.join(gate, "begun " + module.params["moment"]), "w").close()
deadline = time.time() + 60
while not os.path.exists(os.path.join(gate, "over " + module.params["moment"])) and time.time() < deadline:
    time.sleep(0.02)
module.exit_json(answer=(module.params["secret"] or "")[::-1])
"""
#: At "between" nothing runs on the target.
TASK = {
    "root": "hold: {moment: MOMENT, gate: '{{ gate }}', secret: para-5ecret-root}\n      become: true",
    "between": "hold: {moment: MOMENT, gate: '{{ gate }}'}\n      delegate_to: localhost\n      vars: {ansible_connection: local}",
    "own": "hold: {moment: MOMENT, gate: '{{ gate }}', secret: own}",
    "again": "hold: {moment: MOMENT, gate: '{{ gate }}', secret: para-5ecret-again}\n      become: true",
}


ACCOUNT = ("setpriv", f"--reuid={stranger.UID}", f"--regid={stranger.UID}", "--clear-groups")


def neighbours(bench: Bench) -> list[dict[str, Any]]:
    """Return what a process of the login account finds out about the others that it has on these targets."""
    command = [*ACCOUNT, interpreter(), "-", *(f"{name}={text}" for name, text in SECRETS.items())]
    program = Path(neighbour.__file__).read_text()
    done = subprocess.run(command, input=program, capture_output=True, text=True, timeout=60, check=True, cwd="/")
    targets = {process.pid for process in bench.bed.remote_processes()}
    return [process for process in json.loads(done.stdout) if process["pid"] in targets]


class Site(NamedTuple):
    """[test] A directory with a playbook, for a bed whose login account is a stranger."""

    bench: Bench
    directory: Path

    def start(self, playbook: str, arm: Arm, *, python: str | None = None, pipelining: bool = True, hosts: int = 1) -> Started:
        """Start a run of this playbook as that account."""
        (self.directory / "site.yml").write_text(playbook)
        home = self.bench.bed.directory / "home"
        variables = {
            "ansible_user": stranger.NAME,
            "ansible_become_password": f"'{stranger.PASSWORD}'",
            "ansible_remote_tmp": home / ".ansible/tmp",
            "gate": self.directory,
            **({} if python is None else {"ansible_python_interpreter": python}),
        }
        config = {"ssh_connection": {"pipelining": pipelining}}
        return self.bench.start([str(self.directory / "site.yml")], arm, hosts=hosts, variables=variables, config=config)

    def run(self, playbook: str, arm: Arm, **options: Any) -> Run:
        """See `start`; wait for the end."""
        started = self.start(playbook, arm, **options)
        return started.finish()

    def wait(self, started: Started, moment: str) -> None:
        """Wait for a moment of the run; fail if it ends before."""
        deadline = time.monotonic() + 60
        while not (self.directory / f"begun {moment}").exists():
            out, err = started.output()
            assert time.monotonic() < deadline, out + err
            assert started.process.poll() is None, out + err
            time.sleep(0.02)

    def forget(self, *moments: str) -> None:
        """Have these moments come again."""
        for moment in moments:
            (self.directory / f"begun {moment}").unlink()
            (self.directory / f"over {moment}").unlink()

    def look(self, started: Started, moment: str) -> list[dict[str, Any]]:
        """Wait for a moment of the run and return what a neighbour of the login account finds then; let the run go on."""
        self.wait(started, moment)
        deadline = time.monotonic() + 60
        seen = neighbours(self.bench)
        # Shells of the task before may be about to end.
        while moment.startswith("between") and time.monotonic() < deadline and shells(seen) and not interpreters(seen):
            seen = neighbours(self.bench)
        (self.directory / f"over {moment}").touch()
        return seen

    def moments(self, order: tuple[str, ...], arm: Arm) -> list[tuple[str, list[dict[str, Any]]]]:
        """Return what a neighbour finds at each of these moments of a run."""
        tasks = "".join(f"    - {TASK[moment].replace('MOMENT', f'{moment}{number}')}\n" for number, moment in enumerate(order))
        started = self.start(f"- hosts: h01\n  gather_facts: false\n  tasks:\n{tasks}", arm)
        try:
            seen = [(moment, self.look(started, f"{moment}{number}")) for number, moment in enumerate(order)]
            run = started.finish()
        finally:
            started.clean_up()
        assert run.rc == 0, run.stdout + run.stderr
        self.forget(*(f"{moment}{number}" for number, moment in enumerate(order)))
        return seen


@pytest.fixture
def site(strangers: Bench, bundle_active: str) -> Iterator[Site]:
    """Make a directory in which everybody may write, with the module that waits."""
    directory = Path(tempfile.mkdtemp(prefix="gate_"))
    try:
        directory.chmod(0o777)
        (directory / "library").mkdir()
        (directory / "library/hold.py").write_text(HOLD)
        shutil.copy(Path(__file__).parent.parent / "playbooks/library/odd.py", directory / "library")
        yield Site(strangers, directory)
    finally:
        shutil.rmtree(directory)


def interpreters(seen: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what was found of interpreters: not the shells that wait for them, nor sshd."""
    return [process for process in seen if "python" in process["command"].split()[0].rpartition("/")[2]]


def shells(seen: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what was found of shells."""
    return [process for process in seen if process["command"].split()[0].rpartition("/")[2] == "sh"]


def closed(process: dict[str, Any]) -> bool:
    """Say whether a neighbour could neither look into a process, nor attach to it, nor open what it has open."""
    return not process["attach"] and all(process[part] is None for part in ("memory", "environment", "descriptors"))


def test_a_hop_is_closed_to_neighbours(site: Site) -> None:
    """While root's module runs, and when nothing runs; plain has shells then and nothing, and their pipes can be opened."""
    plain, patched = (site.moments(("root", "between"), arm) for arm in ARMS)
    for _moment, seen in plain:
        assert not interpreters(seen)
        assert all(closed(process) for process in seen if process not in shells(seen))  # sshd
    # What plain opens: the pipes through which parameters and result of root's module go, as long as the module runs.
    assert any(set(process["descriptors"] or ()) >= {"0", "1"} for process in shells(plain[0][1]))
    assert not shells(plain[1][1])
    for moment, seen in patched:
        assert len(interpreters(seen)) == 1, (moment, seen)
        assert all(closed(process) for process in interpreters(seen)), (moment, seen)
        assert not any(process["memory"] for process in seen), (moment, seen)


@pytest.mark.parametrize("order", [("root", "own", "again"), ("own", "root", "between", "own", "again")], ids=["hop first", "own first"])
def test_a_hop_stays_closed(site: Site, order: tuple[str, ...]) -> None:
    """Also when tasks run as the login account: those are run by another, which is open as plain's, and has no secret of root's."""
    plain, patched = (site.moments(order, arm) for arm in ARMS)
    for _moment, seen in (step for step in plain if step[0] == "own"):
        assert [closed(process) for process in interpreters(seen)] == [False]
    begun = False
    for moment, seen in patched:
        begun = begun or moment == "root"
        assert any(map(closed, interpreters(seen))) is begun, (moment, seen)
        assert not any(process["memory"] for process in seen), (moment, seen)
        if moment == "own" or not begun:
            assert not all(closed(process) for process in interpreters(seen)), (moment, seen)


DESCRIPTORS = """\
- hosts: h01
  gather_facts: false
  tasks:
    - ansible.builtin.command: ls /proc/self/fd
      become: true
    - ansible.builtin.raw: echo $(ls /proc/self/fd)
      become: true
      changed_when: false
    - ansible.builtin.command: ls /proc/self/fd
    - ansible.builtin.raw: echo $(ls /proc/self/fd)
      changed_when: false
    - ansible.builtin.shell: ls /proc/self/fd; ulimit -c
      become: true
"""


def test_commands_inherit_no_descriptors(site: Site) -> None:
    """Neither root's nor the login account's, before and after its interpreter has come to run modules."""
    plain, patched = (site.run(DESCRIPTORS, arm) for arm in ARMS)
    assert plain.rc == 0, plain.stdout + plain.stderr
    assert_same(plain, patched)
    said = [event["result"]["stdout"].split() for event in patched.events if event["event"] == "ok"]
    assert [words[:4] for words in said] == [["0", "1", "2", "3"]] * 5


ENDS = """\
- hosts: h01
  gather_facts: false
  ignore_errors: true
  tasks:
    - odd: {way: end, value: "{{ item }}", dir: "{{ gate }}/ends of root"}
      become: true
      loop: [SIGKILL, "3"]
    - ansible.builtin.command: id -un
      become: true
    - odd: {way: end, value: "{{ item }}", dir: "{{ gate }}/ends of mine"}
      loop: [SIGKILL, "3"]
    - ansible.builtin.command: id -un
      become: true
    - ansible.builtin.command: id -un
"""


def test_a_hop_tells_how_interpreters_end(site: Site) -> None:
    """Root's that it has started, and its own after it has come to run modules."""
    counts = []
    runs = []
    for arm in ARMS:
        runs.append(site.run(ENDS, arm))
        for whose in "root", "mine":
            path = site.directory / f"ends of {whose}"
            counts.append(path.read_text().split())
            path.unlink()
    assert runs[0].rc == 0, runs[0].stdout + runs[0].stderr
    assert counts == [["SIGKILL", "3"]] * 4
    assert_same(*runs)


@pytest.mark.parametrize("pipelining", [True, False], ids=["pipe", "file"])
def test_no_file_has_parameters(site: Site, pipelining: bool) -> None:
    """Nothing of root's module lies where the login account can read it, while that runs; without pipelining plain's file does."""
    secret = uuid.uuid4().hex
    play = f"- hosts: h01\n  gather_facts: false\n  tasks:\n    - {TASK['root']}\n".replace("MOMENT", "root").replace(
        SECRETS["parameter"], secret
    )
    readable: dict[Arm, set[str]] = {}
    for arm in ARMS:
        started = site.start(play, arm, pipelining=pipelining)
        try:
            site.wait(started, "root")
            search = [*ACCOUNT, "grep", "-rlsa", secret, str(site.bench.bed.directory), "/tmp"]
            done = subprocess.run(search, capture_output=True, text=True, timeout=120, check=False)
            # What the controller has is not what the account has, but the same machine's.
            ours = (str(site.directory), str(site.bench.base))
            readable[arm] = {os.path.basename(path) for path in done.stdout.splitlines() if not path.startswith(ours)}
            (site.directory / "over root").touch()
            run = started.finish()
        finally:
            started.clean_up()
        assert run.rc == 0, run.stdout + run.stderr
        site.forget("root")
    assert readable == {"plain": set() if pipelining else {"AnsiballZ_hold.py"}, "mitopatch": set()}


HOME = """\
- hosts: h01
  gather_facts: false
  tasks:
    - ansible.builtin.command: pwd
      become: true
    - ansible.builtin.setup: {gather_subset: ["!all", "!min", user]}
      become: true
    - ansible.builtin.command: pwd
    - ansible.builtin.stat: {path: /}
"""


@pytest.mark.parametrize("python", [None, "auto"])
@pytest.mark.parametrize("pipelining", [True, False], ids=["pipe", "file"])
def test_nothing_in_the_home_of_the_login_account_is_imported(site: Site, python: str | None, pipelining: bool) -> None:
    """Neither by root's interpreter, which is started there, nor by that account's own, nor by upstream's search for a Python."""
    plain = site.run(HOME, "plain", python=python, pipelining=pipelining)
    home = site.bench.bed.directory / "home"
    marker = site.directory / "imported"
    for name, text in strange.files(marker).items():
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).write_text(text)
    patched = site.run(HOME, "mitopatch", python=python, pipelining=pipelining)
    assert not marker.exists(), marker.read_text()
    assert plain.rc == patched.rc == 0, plain.stdout + patched.stdout + patched.stderr
    if python is None:
        assert_same(plain, patched)
