"""Runs that are looked at from outside: targets and controller with passwords, a syslog and every program started written down.

Needs root, as testbed.stranger does. Tasks wait at gates: FIFOs that a thread of the test opens, one after the other, and looks at all
processes and files before it lets those who wait there go on. So what is looked at is certain to be there.
"""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import execs, stranger
from .canaries import Findings, Search
from .runs import Arm, Bench, Run

#: Gates: at `ssh` and `become` stand programs, at the others tasks of secrets/canaries.yml.
# Nobody passes unseen: what one arm shows there for a moment must not be missed in the other.
GATES = ("option", "covered", "environment", "item", "lookup", "job", "root", "ssh", "become")
#: sudo asks for root's password, which is another one than that of the user who logs in.
SUDOERS = stranger.SUDOERS.replace("Defaults ", "Defaults rootpw, ")


def hashed(password: str) -> str:
    """Return the word for /etc/shadow. (crypt is gone from Python 3.13, and a program would have the password in its arguments.)"""
    library = ctypes.CDLL(ctypes.util.find_library("crypt") or "libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    return str(library.crypt(password.encode(), b"$6$mitopatch$").decode())


class WatchedBed(stranger.StrangersBed):
    """Targets whose user logs in with a password or a key, and becomes root with another password."""

    def __init__(self, directory: Path, count: int, login: str, become: str) -> None:
        super().__init__(directory, count)
        self.password = become
        self.hashes = {"root": hashed(become), "nobody": "*", stranger.NAME: hashed(login)}
        self.sudoers = SUDOERS
        #: What modules, sudo and others have said to syslog.
        self.syslog: list[bytes] = []
        self.execs = directory / "execs.targets"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._namespace = self.prefix
        self.prefix = self.watching(self.execs)

    def watching(self, path: Path) -> list[str]:
        """Return what starts a command in the targets' namespace, has its programs written down, and lets crashes leave a core."""
        return [*self._namespace, sys.executable, execs.__file__, str(path), "prlimit", "--core=unlimited:unlimited"]

    def start(self) -> None:
        """Make a /dev with a socket for syslog, then see the base class."""
        dev = self.directory / "dev"
        for name in ("pts", "shm"):
            (dev / name).mkdir(parents=True)
        links: dict[str, str | Path] = {"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "log": self.directory / "syslog"}
        links.update({name: f"/proc/self/fd/{number}" for number, name in enumerate(("stdin", "stdout", "stderr"))})
        for name, target in links.items():
            (dev / name).symlink_to(target)
        self._socket.bind(str(self.directory / "syslog"))
        (self.directory / "syslog").chmod(0o666)
        threading.Thread(target=self._listen, daemon=True).start()
        super().start()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while message := self._socket.recv(1 << 16):
                self.syslog.append(message)

    def stop(self) -> None:
        """End the servers and the syslog."""
        super().stop()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _config(self, group: list[str]) -> str:
        return super()._config(group).replace("PasswordAuthentication no", "PasswordAuthentication yes")


@dataclass
class Watched:
    """A run, and where its canaries were seen."""

    run: Run
    findings: Findings
    gates: Path
    passed: set[str] = field(default_factory=set)
    """Gates at which somebody was looked at."""
    syslog: list[bytes] = field(default_factory=list)


class Sources:
    """The files that secrets come from: passwords of the vaults, variables in the vaults, an inventory that goes with them."""

    def __init__(self, directory: Path, canaries: dict[str, str], private_key: str | None) -> None:
        self.directory = directory
        (directory / "group_vars/all").mkdir(parents=True)
        self._write("first.pass", canaries["vault_password"] + "\n")
        self._write("second", canaries["second_vault_password"] + "\n")
        script = self._write("second.sh", f"#!/bin/sh\nexec cat {shlex.quote(str(directory / 'second'))}\n")
        script.chmod(0o700)
        self.keys = ["--vault-id", f"one@{directory}/first.pass", "--vault-id", f"two@{script}"]
        more = {name: canaries[name] for name in ("included", "inline")}
        rest = {name: value for name, value in canaries.items() if name not in more and "vault_password" not in name}
        rest.pop("private_key", None)  # that is a line of it
        if private_key:
            rest["private_key"] = private_key
        self._vault("group_vars/all/vault.yml", rest, "one")
        self._vault("more.yml", {"included": more["included"]}, "two")
        shown = self._ansible_vault("encrypt_string", "--encrypt-vault-id", "two", "--stdin-name", "inline", input=more["inline"])
        self._write("group_vars/all/inline.yml", shown)
        # The common arguments of the test bed keep agents away; this key is in the agent of the run (ANSIBLE_SSH_AGENT).
        known_hosts = f"-o UserKnownHostsFile={directory.parent}/known_hosts -o GlobalKnownHostsFile=/dev/null"
        agent = f"ansible_ssh_common_args='-F none {known_hosts} -o GSSAPIAuthentication=no'"
        own = [
            "h01 ansible_password='{{ login_password }}' ansible_ssh_extra_args='-o PubkeyAuthentication=no'",
            *([f"h03 ansible_ssh_private_key='{{{{ private_key }}}}' ansible_ssh_private_key_file= {agent}"] if private_key else []),
            # root's own, and none in the way of the user who logs in.
            "[near:vars]",
            f"ansible_remote_tmp={directory.parent}/home/near_tmp",
            f"ansible_async_dir={directory.parent}/home/near_async",
            "[all:vars]",
            "ansible_become_password='{{ become_password }}'",
            f"sources={directory}",
        ]
        self._write("hosts", "\n".join(own) + "\n")

    def _write(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.write_text(text, encoding="utf-8")
        return path

    def _vault(self, name: str, values: dict[str, str], identity: str) -> None:
        text = "\n".join(f"{key}: {json.dumps(value)}" for key, value in values.items()) + "\n"
        self._write(name, self._ansible_vault("encrypt", "--encrypt-vault-id", identity, "--output", "-", input=text))

    def _ansible_vault(self, *arguments: str, input: str) -> str:  # noqa: A002
        command = [str(Path(sys.executable).parent / "ansible-vault"), arguments[0], *self.keys, *arguments[1:]]
        env = {"PATH": os.environ.get("PATH", ""), "HOME": str(self.directory), "MITOPATCH": "off", "LC_ALL": "C.UTF-8"}
        done = subprocess.run(command, input=input, env=env, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


class Watch:
    """Makes runs and looks at them."""

    def __init__(self, bench: Bench, bed: WatchedBed, sources: Sources, search: Search) -> None:
        self.bench = bench
        self.bed = bed
        self.sources = sources
        self.search = search

    def __call__(self, arm: Arm, playbook: str, *args: str, prefix: Sequence[str] = (), env: dict[str, str] | None = None,
                 variables: dict[str, Any] | None = None, **options: Any) -> Watched:  # fmt: skip
        """Run the playbook, let it pass its gates, search everything at each of them and at the end."""
        for path in self.bed.home.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        gates = self._gates()
        exec_log = self.bench.base / f"execs-{gates.name}"
        since = time.time() - 1
        said, started_there = len(self.bed.syslog), self.bed.execs.stat().st_size
        run = self.bench.start(
            [playbook, "-i", "hosts", "-i", str(self.sources.directory / "hosts"), *self.sources.keys, *args], arm,
            prefix=[*self.bed.watching(exec_log), *prefix],
            env={
                "ANSIBLE_LOG_PATH": "log", "ANSIBLE_SSH_AGENT": "auto",
                "MITOPATCH_DEBUG": "1", "MITOPATCH_PIDFILE": "workers", **(env or {}),
            },
            variables={
                "ansible_user": stranger.NAME, "gates": gates, "ansible_ssh_executable": gates / "ssh.sh",
                "ansible_remote_tmp": self.bed.home / "remote_tmp", "ansible_async_dir": self.bed.home / "async", **(variables or {}),
            },
            **options,
        )  # fmt: skip
        watched = Watched(run, set(), gates)  # type: ignore[arg-type]  # the run itself follows when it has ended
        ended = threading.Event()
        porter = threading.Thread(target=self._let_pass, args=(gates, run.directory, watched, ended))
        porter.start()
        try:
            watched.run = run.finish()
        finally:
            ended.set()
            porter.join()
        watched.findings |= self.search.execs(exec_log)
        watched.findings |= self.search.execs(self._rest(self.bed.execs, started_there))
        watched.findings |= self._files(run.directory)
        for system in ("/var/log", "/run/log", "/var/tmp", "/dev/shm"):
            watched.findings |= self.search.below(Path(system), system, since)
        watched.syslog = self.bed.syslog[said:]
        watched.findings |= {("syslog", name) for message in watched.syslog for name in self.search.within(message)}
        return watched

    def _rest(self, path: Path, start: int) -> Path:
        rest = self.bench.base / f"rest-{time.monotonic_ns()}"
        rest.write_bytes(path.read_bytes()[start:])
        return rest

    def _gates(self) -> Path:
        gates = Path(tempfile.mkdtemp(prefix="gates_", dir=self.bench.base))
        gates.chmod(0o755)
        for name in GATES:
            os.mkfifo(gates / name, 0o600)
            (gates / name).chmod(0o666)
        for name, program in (("ssh", shutil.which("ssh")), ("become", shutil.which("sudo"))):
            script = gates / f"{name}.sh"
            script.write_text(f'#!/bin/sh\nread -r _ < {gates}/{name}\nexec {program} "$@"\n')
            script.chmod(0o755)
        return gates

    def _let_pass(self, gates: Path, directory: Path, watched: Watched, ended: threading.Event) -> None:
        while not ended.is_set():
            for name in GATES:
                with contextlib.suppress(OSError):  # nobody waits there, or goes away meanwhile
                    gate = os.open(gates / name, os.O_WRONLY | os.O_NONBLOCK)
                    try:
                        watched.findings |= self.search.processes() | self._files(directory, inner=True)
                        watched.passed.add(name)
                        os.write(gate, b"\n")
                    finally:
                        os.close(gate)
            time.sleep(0.005)

    def _files(self, directory: Path, inner: bool = False) -> Findings:
        """Look at the files of the run (`inner`: without its output and its log), of the targets' user, and at what sshd has said."""
        found = self.search.below(directory, inner=inner)
        found |= {(f"target: {place}", name) for place, name in self.search.below(self.bed.home)}
        for path in self.bed.directory.glob("sshd.*.log"):
            found |= {("sshd", name) for name in self.search.in_file(path)}
        return found
