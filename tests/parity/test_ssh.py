"""ssh is the user's ssh: the same settings, logins, passwords and ends as with plain Ansible."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from testbed import events, inventory, sshd, stranger
from testbed.compare import assert_same, part
from testbed.delay import Delay
from testbed.private import private_bench
from testbed.recorder import Recorder
from testbed.runs import Arm, Bench, Run

ARMS: tuple[Arm, Arm] = ("plain", "mitopatch")
#: What ``ssh -G`` says otherwise than with plain Ansible, and why. docs/security.md has the same table.
EXCEPTIONS = {
    "requesttty": "a terminal, which the user's own words may ask for, would change the bytes of Mitogen's stream",
}
#: In the command with which Mitogen begins: who finds it in a call knows whose that was.
MITOGENS = "binascii.a2b_base64"

#: A host each: what its variables say.
ROWS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "alive": {"ansible_ssh_args": "-C -o ControlMaster=auto -o ControlPersist=60s -o ServerAliveInterval=7 -o ServerAliveCountMax=5"},
    "no_master": {"ansible_ssh_args": "-o Compression=no"},
    "own_path": {"ansible_ssh_args": "-o ControlMaster=auto -o ControlPersist=60s -o ControlPath={directory}/%h"},
    "no_args": {"ansible_ssh_args": ""},
    "extra": {"ansible_ssh_extra_args": "-o SendEnv=EXTRA -o 'UserKnownHostsFile={known} {known}.more' -v"},
    "level": {"ansible_ssh_extra_args": "-o LogLevel=VERBOSE -o BatchMode=yes"},
    "file": {"ansible_ssh_extra_args": "-F {directory}/config"},
    "checking": {"ansible_host_key_checking": "false"},
    "path": {"ansible_control_path": "%(directory)s/%%h-%%r"},
    "path_dir": {"ansible_control_path_dir": "{directory}/masters"},
    "timeout": {"ansible_ssh_timeout": 33},
    "retries": {"ansible_ssh_retries": 2, "ansible_ssh_transfer_method": "piped"},
    "no_tty": {"ansible_ssh_use_tty": "false", "ansible_pipelining": "false"},
    "tty": {"ansible_ssh_args": "-o RequestTTY=yes -o ControlMaster=no"},  # which gives none: ssh's own input is no terminal
    "password": {"ansible_password": "open sesame"},
    "ssh_pass": {"ansible_ssh_pass": "open sesame", "ansible_ssh_password_mechanism": "sshpass"},
    "prompt": {"ansible_password": "open sesame", "ansible_sshpass_prompt": "Word:"},
    "mitogens": {"mitogen_ssh_compression": "false", "mitogen_ssh_keepalive_interval": 3, "mitogen_ssh_keepalive_count": 2},
}
#: What the command line, ansible.cfg and the environment say, for all hosts.
WIDE: dict[str, dict[str, Any]] = {
    "config": {
        "config": {
            "ssh_connection": {
                "ssh_args": "-o ServerAliveInterval=9", "control_path": "%%(directory)s/%%h", "host_key_checking": False, "retries": 1,
            },
            "defaults": {"timeout": 44},
        },
    },
    "options": {"args": ["-T", "55", "--ssh-common-args", "-o ServerAliveInterval=8", "--ssh-extra-args=-o SendEnv=MORE"]},
    "environment": {"env": {"ANSIBLE_SSH_ARGS": "-o ControlPersist=9", "ANSIBLE_HOST_KEY_CHECKING": "false", "DISPLAY": ":99"}},
}  # fmt: skip

PING = "- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.ping:\n"


def common(bed: sshd.SshBed) -> str:
    """What a line needs to reach the bed, whatever the machine's own ssh_config says."""
    return f"-F none -o UserKnownHostsFile={bed.known_hosts} -o GlobalKnownHostsFile=/dev/null -o IdentityAgent=none"


def write_rows(directory: Path, bed: sshd.SshBed, recorder: Recorder) -> Path:
    """Write an inventory with a host for each of `ROWS`."""
    lines = []
    names = {"directory": directory, "known": bed.known_hosts}
    for (name, variables), address in zip(ROWS.items(), bed.addresses):
        values = {"ansible_host": address, **variables}
        if name == "file":  # without -F none, which would be the first
            values["ansible_ssh_common_args"] = ""
        lines.append(name + "".join(f' {key}="{str(value).format(**names)}"' for key, value in values.items()))
    lines += ["[all:vars]", f'ansible_ssh_common_args="{common(bed)}"', f"ansible_port={bed.port}", f"ansible_user={bed.user}"]
    lines += [f"ansible_ssh_private_key_file={bed.key}", f"ansible_ssh_executable={recorder.path}"]
    lines += [f"ansible_python_interpreter={inventory.interpreter()}", f"ansible_remote_tmp={directory}/remote"]
    path = directory / "rows"
    path.write_text("\n".join(lines) + "\n")
    options = common(bed).replace("-F none ", "").replace("-o ", "\n").replace("=", " ")
    (directory / "config").write_text(f"ServerAliveInterval 21\nCompression yes\nHost *\n{options}\n")
    return path


def settings(recorder: Recorder, run: Run, arm: Arm) -> dict[str, list[str]]:
    """Return what ssh made of its line for each address, the first time."""
    found: dict[str, list[str]] = {}
    calls = recorder.calls()
    for call in calls:
        if call.address not in found:
            assert (MITOGENS in call.arguments[-1]) is (arm == "mitopatch"), f"{call.arguments}\n{run.stdout}{run.stderr}"
            text = [events.clean_text(line, run.paths) for line in call.settings()]
            found[call.address] = [line for line in text if line.split(" ")[0] not in EXCEPTIONS]
    assert all("open sesame" not in str(call) for call in calls), "the password is for nobody to see"
    return found


def test_same_settings(bench: Bench, bundle_active: str, tmp_path: Path) -> None:
    """What variables say of ssh is what plain Ansible has it do, a host for each row."""
    recorder = Recorder(tmp_path / "recorder")
    (tmp_path / "ping.yml").write_text(PING)
    short = Path(tempfile.mkdtemp(prefix="rows_", dir=bench.base))  # sockets have short names only
    rows = write_rows(short, bench.bed, recorder)
    made = {}
    for arm in ARMS:
        run = bench.run([str(tmp_path / "ping.yml"), "-i", str(rows)], arm, hosts=1, config={"defaults": {"forks": 8}})
        assert run.rc == 0, run.stdout + run.stderr
        made[arm] = settings(recorder, run, arm)
    for name, address in zip(ROWS, bench.bed.addresses):
        difference = part(name, made["plain"][address], made["mitopatch"][address])
        assert not difference, difference
    assert sorted(made["plain"]) == sorted(bench.bed.addresses[: len(ROWS)])


@pytest.mark.parametrize("name", WIDE)
def test_same_settings_for_all(bench: Bench, bundle_active: str, tmp_path: Path, name: str) -> None:
    """The same of what is said for all hosts."""
    recorder = Recorder(tmp_path / "recorder")
    (tmp_path / "ping.yml").write_text(PING)
    options = dict(WIDE[name])
    args = [str(tmp_path / "ping.yml"), "-l", "web", *options.pop("args", ())]
    # Variables win over the command line.
    variables = {"ansible_ssh_executable": recorder.path}
    if name == "options":
        variables["ansible_ssh_common_args"] = f"'{common(bench.bed)} -o ServerAliveInterval=8'"
    made = {}
    for arm in ARMS:
        run = bench.run(args, arm, hosts=1, variables=variables, **options)
        assert run.rc == 0, run.stdout + run.stderr
        made[arm] = settings(recorder, run, arm)
    assert made["plain"]
    difference = "".join(part(address, made["plain"][address], made["mitopatch"].get(address)) for address in made["plain"])
    assert not difference, difference


LOGINS = """\
- hosts: web
  gather_facts: false
  tasks:
    - ansible.builtin.ping:
    - name: In a process of its own
      ansible.builtin.command: {cmd: "true"}
      timeout: 60
    - name: With other words, over the same master
      ansible.builtin.ping:
      vars: {ansible_ssh_extra_args: -o SendEnv=NOTHING}
    - name: Logs in anew
      ansible.builtin.wait_for_connection:
    - name: As groups may have changed
      ansible.builtin.meta: reset_connection
    - ansible.builtin.ping:
    - name: A module that ends its interpreter
      vanish:
      ignore_errors: true
    - ansible.builtin.ping:
"""
VANISH = """\
#!/usr/bin/python3
from ansible.module_utils.basic import AnsibleModule
import os, signal

AnsibleModule({})
os.kill(os.getpid(), signal.SIGKILL)
"""


class LoudBed(sshd.SshBed):
    """A server that writes down who logs in."""

    def _config(self, group: list[str]) -> str:
        return "LogLevel VERBOSE\n" + super()._config(group)

    def log(self) -> str:
        """Return what it has written."""
        return (self.directory / "sshd.0.log").read_text()


@pytest.mark.parametrize("words", ["", "-v "], ids=["quiet", "verbose"])
def test_as_many_logins(bundle_active: str, tmp_path: Path, words: str) -> None:
    """One login a host, until something asks for another one; also where ssh's master keeps the standard error, as -v has it do."""
    if sshd.executable() is None:
        pytest.skip("needs sshd (not installed)")
    bed = LoudBed(tmp_path, 1)
    bench = Bench(bed)
    (tmp_path / "site.yml").write_text(LOGINS)
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "vanish.py").write_text(VANISH)
    config = {"ssh_connection": {"ssh_args": f"{words}-o ControlMaster=auto -o ControlPersist=600s"}}
    try:
        bed.start()
        counts, runs = [], []
        for arm in ARMS:
            before = bed.log().count("Accepted publickey")
            runs.append(bench.run([str(tmp_path / "site.yml")], arm, hosts=1, config=config, timeout=120))
            counts.append(bed.log().count("Accepted publickey") - before)
        assert runs[0].rc == 0, runs[0].stdout + runs[0].stderr
        assert counts[0] >= 2
        assert counts[1] == counts[0]
        told = [[(event["event"], event["result"].get("rc")) for event in run.events if event.get("result")] for run in runs]
        assert told[1] == told[0]
        assert any(event == "failed" for event, _ in told[0])
        # What is left is what plain Ansible leaves.
        assert all("[mux]" in line for run in runs for line in run.leftovers), runs[1].leftovers
    finally:
        bed.stop()
        bench.remove()


STALLED = """\
- hosts: web
  gather_facts: false
  ignore_unreachable: true
  tasks:
    - name: Still there
      ansible.builtin.ping:
    - name: The line goes dead
      ansible.builtin.shell:
        cmd: touch {{ root }}/now; while ! test -e {{ root }}/done; do sleep 0.05; done
      delegate_to: n01
      vars: {ansible_connection: local}
    - name: Lost
      ansible.builtin.ping:
- hosts: near
  gather_facts: false
  tasks:
    - name: The run goes on
      ansible.builtin.ping:
"""


def test_a_dead_line_ends_as_the_user_says(bench: Bench, bundle_active: str, tmp_path: Path) -> None:
    """ServerAliveInterval and ServerAliveCountMax of the user decide when a host is lost."""
    (tmp_path / "site.yml").write_text(STALLED)
    alive = "-o ServerAliveInterval=1 -o ServerAliveCountMax=2"
    ends = []
    for arm in ARMS:
        line = Delay((bench.bed.addresses[0], bench.bed.port), 0.0, bench.bed.addresses[0])
        line.start()
        try:
            bench.bed.vouch_for(line.port)
            run = bench.start(
                [str(tmp_path / "site.yml")], arm, hosts=1, near=1,
                variables={"ansible_port": line.port},
                config={"ssh_connection": {"ssh_args": f"-C -o ControlMaster=auto -o ControlPersist=60s {alive}"}},
            )  # fmt: skip
            try:
                deadline = time.monotonic() + 60
                while not (run.directory / "targets" / "now").exists() and time.monotonic() < deadline and run.process.poll() is None:
                    time.sleep(0.01)
                line.stall()
                (run.directory / "targets" / "done").touch()
                done = run.finish(120)
            finally:
                run.clean_up()
        finally:
            line.stop()
        ends.append([(event["task"], event["event"], event["host"]) for event in done.events if event.get("result")])
        assert done.rc == 0, done.stdout + done.stderr
    assert ("Lost", "unreachable", "h01") in ends[0]
    assert ends[1] == ends[0]


class AskingBed(stranger.StrangersBed):
    """Servers that ask the stranger for the password, and write down what becomes of it."""

    def _config(self, group: list[str]) -> str:
        banner = self.directory / "banner"
        banner.write_text("Your password: is asked for at the next line.\nPermission denied (password), says the banner.\n")
        return f"LogLevel VERBOSE\nPasswordAuthentication yes\nPubkeyAuthentication no\nBanner {banner}\n" + super()._config(group)

    def log(self) -> str:
        """Return what they have written."""
        return (self.directory / "sshd.0.log").read_text()


@pytest.fixture
def asking() -> Iterator[Bench]:
    """Two hosts that ask for a password."""
    with private_bench(lambda directory: AskingBed(directory, 2), ("sshpass", "unshare", "mount")) as (bench, _bed):
        yield bench


PASSWORDS = """\
- hosts: dc
  gather_facts: false
  tasks:
    - name: Asked
      ansible.builtin.command: {cmd: id -un}
    - name: Again
      ansible.builtin.ping:
"""
#: What is wrong, and what the server then hears of the password. From 2.19 upstream answers for ssh unless it is told not to.
CASES: dict[str, tuple[dict[str, Any], str]] = {
    "right": ({}, "Accepted password"),
    "by_sshpass": ({"ansible_ssh_password_mechanism": "sshpass"}, "Accepted password"),
    "wrong": ({"ansible_password": "'open barley'"}, "Failed password"),
    "changed_key": ({"ansible_host_key_checking": "false"}, ""),
    "changed_key_checked": ({}, ""),
    "unknown_key": ({}, ""),
}


@pytest.mark.parametrize("case", CASES)
def test_passwords(asking: Bench, bundle_active: str, tmp_path: Path, case: str) -> None:
    """A password goes to hosts that are who they were, and to nobody else; what is said of the others is upstream's."""
    bed = asking.bed
    assert isinstance(bed, AskingBed)
    recorder = Recorder(tmp_path / "recorder")
    (tmp_path / "site.yml").write_text(PASSWORDS)
    more, heard = CASES[case]
    variables = {
        "ansible_user": stranger.NAME,
        "ansible_password": f"'{stranger.PASSWORD}'",
        "ansible_remote_tmp": bed.directory / "home/.ansible/tmp",
        "ansible_ssh_executable": recorder.path,
        "ansible_ssh_common_args": f"'{common(bed)}'",
        **more,
    }
    if case.startswith("changed"):
        other = (Path(bed.directory) / "user_key.pub").read_text().split()[1]
        text = bed.known_hosts.read_text()
        bed.known_hosts.write_text("".join(" ".join([*line.split()[:2], other]) + "\n" for line in text.splitlines()))
    elif case == "unknown_key":
        bed.known_hosts.write_text("")
    runs = []
    for arm in ARMS:
        before = len(bed.log())
        run = asking.run([str(tmp_path / "site.yml")], arm, hosts=2, variables=variables)
        runs.append(run)
        told = bed.log()[before:]
        calls = recorder.calls()
        assert (heard in told) if heard else ("password for" not in told), told
        for secret in (stranger.PASSWORD, "open barley"):
            assert all(secret not in str(call) for call in calls), "the password is for nobody to see"
        if arm == "mitopatch" and "Accepted" in heard:
            assert all(MITOGENS in call.arguments[-1] for call in calls), "by Mitogen alone"
            assert told.count(heard) == 2, "one login a host"
    assert (runs[0].rc == 0) is heard.startswith("Accepted"), runs[0].stdout + runs[0].stderr
    assert_same(*runs)
