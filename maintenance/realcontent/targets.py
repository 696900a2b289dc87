"""[maintenance] The targets: copies of the base chroot, each with an sshd on a loopback address and namespaces of its own."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

INSIDE = Path(__file__).with_name("inside.py")
DEADLINE = 30.0
SSHD = """\
ListenAddress {address}:{port}
HostKey /run/target/host_key
AuthorizedKeysFile /run/target/authorized_keys
PidFile none
StrictModes no
UsePAM no
UseDNS no
PermitRootLogin prohibit-password
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitUserRC no
PrintMotd no
PrintLastLog no
X11Forwarding no
MaxStartups 200:30:400
MaxSessions 200
LogLevel ERROR
SetEnv SHLVL=1
Subsystem sftp internal-sftp
"""


def names(count: int) -> dict[str, str]:
    """Return the targets' names and addresses."""
    return {f"host{number}": f"127.0.2.{number}" for number in range(1, count + 1)}


class Target:
    """One of them, while it runs."""

    def __init__(self, fleet: Fleet, name: str, address: str) -> None:
        self.fleet, self.name, self.address = fleet, name, address
        self.directory = fleet.directory / name
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        fleet = self.fleet
        for part in ("outer", "upper", "work"):
            (self.directory / part).mkdir(parents=True)
        self.directory.joinpath("upper").chmod(0o755)
        spec = {
            "name": self.name,
            "base": str(fleet.base),
            **{part: str(self.directory / part) for part in ("outer", "upper", "work")},
            "files": {
                "run/target/host_key": ((fleet.keys / "host_key").read_text(), 0o600),
                "run/target/authorized_keys": ((fleet.keys / "user_key.pub").read_text(), 0o644),
                "run/target/sshd_config": (SSHD.format(address=self.address, port=fleet.port), 0o644),
                "run/sshd/.keep": ("", 0o644),
                "etc/hostname": (f"{self.name}\n", 0o644),
                "etc/hosts": (f"127.0.0.1 localhost\n{self.address} {self.name}.example.org {self.name}\n", 0o644),
                "etc/resolv.conf": (Path("/etc/resolv.conf").read_text(), 0o644),
                "etc/apt/apt.conf.d/00mirror": (f'Acquire::http::Proxy "http://127.0.0.1:{fleet.mirror}";\n', 0o644),
            },
        }
        # However this process ends, `unshare` ends with it, then process 1 (--kill-child), then all of its namespaces.
        command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--uts", "--ipc"]
        description = self.directory / "description.json"
        description.touch(mode=0o600)  # it holds a key, which has no place on a command line
        description.write_text(json.dumps(spec))
        command += [sys.executable, "-I", str(INSIDE), str(description)]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "container": "lxc"}
        with open(self.directory / "log", "wb") as log:
            return subprocess.Popen(
                command, env=environment, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def await_banner(self) -> None:
        """Return when sshd answers."""
        deadline = time.monotonic() + DEADLINE
        while True:
            try:
                with socket.create_connection((self.address, self.fleet.port), timeout=5) as connection:
                    if connection.recv(4) == b"SSH-":
                        return
            except OSError:
                pass
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"real: no sshd on {self.address}:\n{(self.directory / 'log').read_text()}")
            time.sleep(0.05)

    @property
    def upper(self) -> Path:
        """What differs from the base, as overlayfs keeps it."""
        return self.directory / "upper"

    def stop(self) -> None:
        """End it, and all that runs on it."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(timeout=20)


class Fleet:
    """Targets that begin from the same state; use it as a context."""

    def __init__(self, directory: Path, base: Path, keys: Path, count: int, port: int, mirror: int) -> None:
        self.directory, self.base, self.keys, self.port, self.mirror = directory, base, keys, port, mirror
        self.count = count
        self.targets: dict[str, Target] = {}

    def __enter__(self) -> Fleet:
        remove(self.directory)
        self.directory.mkdir(parents=True)
        try:
            for name, address in names(self.count).items():
                self.targets[name] = Target(self, name, address)
            for target in self.targets.values():
                target.await_banner()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        for target in self.targets.values():
            target.stop()
        remove(self.directory)


def remove(directory: Path) -> None:
    """Delete a fleet's directory, if nothing of a target is mounted there that this process can see."""
    if not directory.exists():
        return
    if f" {directory}/" in Path("/proc/self/mounts").read_text():
        raise SystemExit(f"real: something is mounted below {directory}")
    shutil.rmtree(directory)


def make_keys(directory: Path) -> None:
    """Make the keys of a user and of the hosts, once."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in ("user_key", "host_key"):
        if not (directory / name).exists():
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "real", "-f", str(directory / name)]
            subprocess.run(command, check=True, timeout=30, stdin=subprocess.DEVNULL)


def free_port() -> int:
    """Return a port that is free on the targets' addresses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.2.1", 0))
        return int(probe.getsockname()[1])


def check_machine() -> None:
    """Say what is missing before anything is begun."""
    if os.geteuid() != 0:
        raise SystemExit("real: needs root, for chroots and namespaces")
    missing = [name for name in ("unshare", "setpriv", "mount", "ssh", "ssh-keygen") if shutil.which(name) is None]
    if missing:
        raise SystemExit(f"real: needs {', '.join(missing)}")
