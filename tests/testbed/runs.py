"""Runs ansible-playbook in a fresh directory: bounded in time, with both outputs, leaving no process behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import psutil

from . import events, processes
from .inventory import write_config, write_inventory
from .sshd import SshBed

Arm = Literal["plain", "mitopatch"]
PLAYBOOKS = Path(__file__).parent.parent / "playbooks"
TIMEOUT = 240.0


@dataclass
class Run:
    """What one finished run left behind."""

    rc: int
    stdout: str
    stderr: str
    events: list[events.Event]
    wall: float
    cpu: float
    directory: Path
    leftovers: list[str] = field(default_factory=list)
    """Processes that were still there when ansible-playbook had ended (ssh masters of plain Ansible, usually)."""

    @property
    def paths(self) -> dict[str, str]:
        """Paths that differ between runs, and what to call them."""
        return {str(self.directory): "<run>", str(PLAYBOOKS): "<playbooks>"}


class Started:
    """A run under way: `finish` waits for it, `clean_up` ends whatever it has started."""

    def __init__(self, directory: Path, command: list[str], env: dict[str, str], marker: str, stdin: int = subprocess.DEVNULL) -> None:
        self.directory = directory
        self.marker = marker
        self.command = command
        self.began = time.monotonic()
        with open(directory / "stdout", "wb") as out, open(directory / "stderr", "wb") as err:
            self.process = subprocess.Popen(
                command,
                cwd=directory,
                env=env,
                stdin=stdin,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def output(self) -> tuple[str, str]:
        """Return what it has written so far."""
        names = ("stdout", "stderr")
        out, err = ((self.directory / name).read_text(encoding="utf-8", errors="replace") for name in names)
        return out, err

    def processes(self) -> list[psutil.Process]:
        """Return the processes of this run on the controller's side, also those that have left its group."""
        return processes.marked(self.marker, str(self.directory))

    def finish(self, timeout: float = TIMEOUT) -> Run:
        """Wait for the end and return the run; after the time limit kill it and fail with its output so far."""
        try:
            rc, cpu = self._wait(timeout)
            wall = time.monotonic() - self.began
            left = processes.describe(self.processes()).splitlines()
        finally:
            self.clean_up()
        out, err = self.output()
        return Run(rc, out, err, events.read(self.directory / "events"), wall, cpu, self.directory, left)

    def _wait(self, timeout: float) -> tuple[int, float]:
        # wait4 and not Popen.wait: it alone says what the run and the children it waited for have used.
        deadline = time.monotonic() + timeout
        while True:
            pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)
            if pid:
                self.process.returncode = os.waitstatus_to_exitcode(status)
                return self.process.returncode, usage.ru_utime + usage.ru_stime
            if time.monotonic() > deadline:
                raise AssertionError(f"no end after {timeout} s: {self._diagnosis()}")
            time.sleep(0.01)

    def _diagnosis(self) -> str:
        out, err = self.output()
        tree = processes.describe(self.processes())
        log = (self.directory / "events").read_text().splitlines() if (self.directory / "events").exists() else []
        last = "\n".join(line[:300] for line in log[-5:])
        return (
            f"{' '.join(self.command)}\n-- processes\n{tree}\n-- last events\n{last}\n"
            f"-- stdout\n{out[-3000:]}\n-- stderr\n{err[-3000:]}\n-- in {self.directory}"
        )

    def clean_up(self) -> None:
        """Kill the process group and every process that carries the run's marker."""
        if self.process.returncode is None:
            processes.end_group(self.process.pid)
            self.process.wait(timeout=10)
        processes.end(self.processes())


class Bench:
    """Makes runs on one bed of servers; each run has its own directory below a common, world-readable one."""

    def __init__(self, bed: SshBed) -> None:
        self.bed = bed
        # Not below pytest's directories: those are closed to other users, and become needs a path they can walk.
        self.base = Path(tempfile.mkdtemp(prefix="testbed_"))
        self.base.chmod(0o755)

    def remove(self) -> None:
        """Delete the directories of all runs."""
        shutil.rmtree(self.base, ignore_errors=True)

    def start(
        self,
        args: Sequence[str],
        arm: Arm = "plain",
        *,
        hosts: int = 6,
        near: int = 0,
        env: dict[str, str] | None = None,
        config: dict[str, dict[str, Any]] | None = None,
        variables: dict[str, Any] | None = None,
        program: str = "ansible-playbook",
        prefix: Sequence[str] = (),
    ) -> Started:
        """Start ansible-playbook of this environment with these arguments (playbooks by name) and return at once."""
        # Names of equal length in every run: Ansible wraps its warnings, and two runs must wrap alike.
        directory = Path(tempfile.mkdtemp(prefix="run_", dir=self.base))
        directory.chmod(0o755)
        for name in ("home", "tmp", "local_tmp", "cp", "targets", "fetched", "facts", "async"):
            (directory / name).mkdir()
        for name in ("targets", "async"):
            (directory / name).chmod(0o1777)
        write_inventory(directory, self.bed, hosts, variables, near)
        settings = {section: dict(values) for section, values in (config or {}).items()}
        if arm == "mitopatch":
            settings.setdefault("defaults", {})["mitopatch"] = "on"
        write_config(directory, settings)
        marker = uuid.uuid4().hex
        full = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            "HOME": str(directory / "home"),
            "TMPDIR": str(directory / "tmp"),
            "ANSIBLE_HOME": str(directory / "home" / ".ansible"),
            "ANSIBLE_NOCOLOR": "1",
            "TESTBED_EVENTLOG": str(directory / "events"),
            "TESTBED_GREETING": "hello from the environment",
            processes.MARKER: marker,
        }
        full.update({name: value for name, value in os.environ.items() if name.startswith("MITOPATCH_")})
        full[processes.MARKER] = marker
        full.pop("MITOPATCH", None)
        if arm == "plain":
            full["MITOPATCH"] = "off"
        full.update(env or {})
        here = Path(sys.executable).parent
        command = [*prefix, str(here / program), *(str(PLAYBOOKS / arg) if arg.endswith(".yml") else arg for arg in args)]
        return Started(directory, command, full, marker)

    def run(self, args: Sequence[str], arm: Arm = "plain", *, timeout: float = TIMEOUT, **options: Any) -> Run:
        """Start a run, wait for its end and return it."""
        return self.start(args, arm, **options).finish(timeout)
