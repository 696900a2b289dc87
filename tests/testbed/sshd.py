"""Starts Debian's openssh-server, unprivileged in its configuration, as many loopback hosts.

Works for root and for an ordinary user: each can log in as itself, with a key made for this session.
"""

from __future__ import annotations

import ctypes
import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from pathlib import Path

import psutil

from . import processes

# OpenSSH refuses more listening sockets than this in one server (MAX_LISTEN_SOCKS), hence several servers on one port.
LISTEN_LIMIT = 16
START_DEADLINE = 15.0
PR_SET_PDEATHSIG = 1
# Looked up here: nothing may be loaded between fork and exec.
PRCTL = ctypes.CDLL(None).prctl


def executable() -> str | None:
    """Return the path of the server, also when sbin is not on the user's PATH."""
    return shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin:/sbin")


def addresses(count: int) -> list[str]:
    """Return the loopback addresses of the hosts: 127.0.1.1, 127.0.1.2, ..."""
    return [f"127.0.1.{number}" for number in range(1, count + 1)]


def _end_with_parent() -> None:
    """[child, before exec] Have the server end when the test process dies, however it dies."""
    PRCTL(PR_SET_PDEATHSIG, signal.SIGTERM)


class SshBed:
    """Servers on `count` loopback addresses and one port; `stop` ends them and whatever runs below them."""

    def __init__(self, directory: Path, count: int = 50) -> None:
        self.directory = directory
        self.addresses = addresses(count)
        self.user = getpass.getuser()
        self.mark = uuid.uuid4().hex
        self.port = 0
        self.servers: list[subprocess.Popen[bytes]] = []
        #: What the servers are started by, for namespaces of their own.
        self.prefix: list[str] = []
        self.key = directory / "user_key"
        self.known_hosts = directory / "known_hosts"
        # Bound, never listening: connecting to it is refused, and nobody else gets the port meanwhile.
        self._closed = socket.socket()
        self._closed.bind(("127.0.0.1", 0))
        self.closed_port: int = self._closed.getsockname()[1]

    def start(self) -> None:
        """Make keys, start the servers, return when each of them answers with its banner."""
        program = executable()
        if program is None:
            raise FileNotFoundError("sshd: openssh-server is not installed")
        if os.geteuid() == 0:
            # Where no init system has started sshd before, its privilege separation directory is missing.
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        for name in ("user_key", "host_key"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "testbed", "-f", str(self.directory / name)]
            subprocess.run(command, check=True, timeout=30, stdin=subprocess.DEVNULL)
        shutil.copy(self.directory / "user_key.pub", self.directory / "authorized_keys")
        for attempt in range(5):
            self.port = self._free_port()
            try:
                self._start_servers(program)
            except RuntimeError:
                # Somebody took the port between the look and the bind; another one will do.
                self._end_servers()
                if attempt == 4:
                    raise
            else:
                break
        self.vouch_for(self.port)

    def vouch_for(self, port: int) -> None:
        """Have the clients know the hosts' keys on this port, too (that of a proxy)."""
        key_type, key = (self.directory / "host_key.pub").read_text().split()[:2]
        with open(self.known_hosts, "a", encoding="utf-8") as stream:
            stream.writelines(f"[{address}]:{port} {key_type} {key}\n" for address in self.addresses)

    def _free_port(self) -> int:
        with socket.socket() as probe:
            probe.bind((self.addresses[0], 0))
            return int(probe.getsockname()[1])

    def _start_servers(self, program: str) -> None:
        for number, first in enumerate(range(0, len(self.addresses), LISTEN_LIMIT)):
            group = self.addresses[first : first + LISTEN_LIMIT]
            config = self.directory / f"sshd_config.{number}"
            config.write_text(self._config(group))
            with open(self.directory / f"sshd.{number}.log", "wb") as log:
                server = subprocess.Popen(
                    [*self.prefix, program, "-D", "-e", "-f", str(config), *self._newer_options(program)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    preexec_fn=_end_with_parent,  # noqa: PLW1509  # one system call, looked up before
                )
            self.servers.append(server)
        deadline = time.monotonic() + START_DEADLINE
        for number, server in enumerate(self.servers):
            for address in self.addresses[number * LISTEN_LIMIT : (number + 1) * LISTEN_LIMIT]:
                self._await_banner(server, number, address, deadline)

    def _await_banner(self, server: subprocess.Popen[bytes], number: int, address: str, deadline: float) -> None:
        while True:
            try:
                with socket.create_connection((address, self.port), timeout=5) as connection:
                    if connection.recv(4) == b"SSH-":
                        return
            except OSError:
                pass
            if server.poll() is not None or time.monotonic() > deadline:
                log = (self.directory / f"sshd.{number}.log").read_text()
                raise RuntimeError(f"sshd does not answer on {address}:{self.port}:\n{log}")
            time.sleep(0.02)

    def _newer_options(self, program: str) -> list[str]:
        # OpenSSH 9.8 punishes addresses that connect and say nothing, as tests do; older servers do not know the word.
        check = [program, "-T", "-f", str(self.directory / "sshd_config.0"), "-o", "PerSourcePenalties=no"]
        known = subprocess.run(check, capture_output=True, timeout=30, stdin=subprocess.DEVNULL, check=False)
        return ["-o", "PerSourcePenalties=no"] if known.returncode == 0 else []

    def _config(self, group: list[str]) -> str:
        here = self.directory
        lines = [f"ListenAddress {address}:{self.port}" for address in group]
        lines += [
            f"HostKey {here}/host_key",
            f"AuthorizedKeysFile {here}/authorized_keys",
            "PidFile none",
            "StrictModes no",
            "UsePAM no",
            "UseDNS no",
            # bash, run by sshd, reads ~/.bashrc unless it believes to be a shell in a shell.
            "SetEnv SHLVL=1",
            "PermitRootLogin prohibit-password",
            "PubkeyAuthentication yes",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitUserRC no",
            "PrintMotd no",
            "PrintLastLog no",
            "X11Forwarding no",
            "MaxStartups 200:30:400",
            "MaxSessions 200",
            "LogLevel ERROR",
            "Subsystem sftp internal-sftp",
            f"SetEnv {processes.MARKER}_TARGET={self.mark}",
        ]
        return "\n".join(lines) + "\n"

    def remote_processes(self) -> list[psutil.Process]:
        """Return what runs on the "targets" now: all descendants of the servers."""
        return processes.descendants(server.pid for server in self.servers)

    def _end_servers(self) -> None:
        left = self.remote_processes()
        for server in self.servers:
            server.terminate()
        for server in self.servers:
            try:
                server.wait(timeout=5)
            except subprocess.TimeoutExpired:
                processes.end_group(server.pid)
                server.wait(timeout=5)
        processes.end(left)
        self.servers.clear()

    def stop(self) -> None:
        """End the servers and every process below them."""
        self._end_servers()
        self._closed.close()
