"""Runs of ansible-playbook on this machine, with any number of hosts, any plugins, and a way to take one safeguard away."""

from __future__ import annotations

import importlib
import os
import pty
import shutil
import subprocess
import sys
import tempfile
import termios
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
from testbed import events, processes
from testbed.inventory import PLUGINS
from testbed.runs import Arm, Run, Started

from mitopatch import release, select

HERE = Path(__file__).parent
#: Makes the pseudo terminal on standard input the controlling one, as a login does, then runs the command.
TERMINAL = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
CONFIG = """[defaults]
inventory = {inventory}
callback_plugins = {plugins}
callbacks_enabled = eventlog
local_tmp = local_tmp
retry_files_enabled = False
nocows = True
gathering = explicit
{more}
"""


def installed_family() -> Any:
    """What is particular to the family of releases to which the installed ansible-core belongs."""
    row = select.choose(str(release.installed())).row
    assert row is not None
    return importlib.import_module(f"mitopatch.versions.v{row.family.replace('.', '_')}").FAMILY


def series() -> tuple[int, ...]:
    """The installed ansible-core, (2, 16); (0,) without one."""
    found = release.installed()
    return tuple(int(part) for part in found.split(".")[:2]) if isinstance(found, str) else (0,)


class LocalRun(Run):
    """[test] A run that knows which processes were its workers."""

    @property
    def workers(self) -> set[int]:
        path = self.directory / "workers"
        return {int(line.split()[2]) for line in path.read_text().splitlines()} if path.exists() else set()

    def values(self, key: str, event: str = "ok") -> dict[str, dict[str, Any]]:
        """What a key of the result was, by task and host."""
        found: dict[str, dict[str, Any]] = {}
        for line in self.events:
            if line["event"] == event and key in line["result"]:
                found.setdefault(line["task"], {})[line["host"]] = line["result"][key]
        return found

    @property
    def text(self) -> str:
        """Both outputs, for messages."""
        return self.stdout + self.stderr


class Local:
    """[test] Makes runs in directories of their own: playbook, inventory and plugins are written for each."""

    def __init__(self) -> None:
        self.base = Path(tempfile.mkdtemp(prefix="engine_"))

    def start(
        self,
        files: Mapping[str, str],
        arm: Arm = "mitopatch",
        *,
        hosts: int = 2,
        inventory: str | None = None,
        config: str = "",
        env: dict[str, str] | None = None,
        args: Sequence[str] = (),
        without: str | None = None,
        stdin: int = subprocess.DEVNULL,
        terminal: bool = False,
    ) -> Started:
        directory = Path(tempfile.mkdtemp(prefix="run_", dir=self.base))
        for name in ("home", "tmp", "local_tmp", "targets", "fetched", "facts", "meet"):
            (directory / name).mkdir()
        if inventory is None:
            inventory = (
                "".join(f"h{number} mine=of_h{number}\n" for number in range(1, hosts + 1)) + "[all:vars]\nansible_connection=local\n"
            )
            inventory += f"ansible_python_interpreter={sys.executable}\n"
        shared = {"action_plugins/meet.py": (HERE / "plugins" / "meet.py").read_text()}
        for name, text in {"hosts": inventory, **shared, **files}.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            if text.startswith("#!"):
                path.chmod(0o755)
        (directory / "ansible.cfg").write_text(CONFIG.format(inventory=directory / "hosts", plugins=PLUGINS / "callback", more=config))
        marker = uuid.uuid4().hex
        full = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            "HOME": str(directory / "home"),
            "TMPDIR": str(directory / "tmp"),
            "ANSIBLE_HOME": str(directory / "home" / ".ansible"),
            "ANSIBLE_NOCOLOR": "1",
            "COLUMNS": "1000",
            "TESTBED_EVENTLOG": str(directory / "events"),
            "MITOPATCH": "on" if arm == "mitopatch" else "off",
            "MITOPATCH_WORKERS": "2",
            "MITOPATCH_PIDFILE": str(directory / "workers"),
            "MEET": str(directory / "meet"),
            processes.MARKER: marker,
            **(env or {}),
        }
        command = [str(Path(sys.executable).parent / "ansible-playbook")]
        if without is not None:
            command = [sys.executable, str(HERE / "without.py"), without]
        command += ["site.yml", *args]
        if terminal:
            command = [sys.executable, "-c", TERMINAL, *command]
        return Started(directory, command, full, marker, stdin)

    def run(
        self, files: Mapping[str, str], arm: Arm = "mitopatch", *, timeout: float = 90, text: str | None = None, **options: Any
    ) -> LocalRun:
        """Start a run, wait for its end; ``text`` is what it reads from its standard input."""
        if text is None:
            return self.end(self.start(files, arm, **options), timeout)
        reader, writer = os.pipe()
        try:
            os.write(writer, text.encode())
            started = self.start(files, arm, stdin=reader, **options)
        finally:
            os.close(writer)
            os.close(reader)
        return self.end(started, timeout)

    @staticmethod
    def end(started: Started, timeout: float = 90) -> LocalRun:
        return LocalRun(**vars(started.finish(timeout)))

    def both(self, files: Mapping[str, str], **options: Any) -> tuple[LocalRun, LocalRun]:
        """The same run plain and patched, side by side."""
        plain = self.run(files, "plain", **options)
        patched = self.run(files, "mitopatch", **options)
        assert not plain.workers
        return plain, patched

    def answer(
        self, files: Mapping[str, str], answers: Mapping[str, str], arm: Arm = "mitopatch", lines: Sequence[str] = (), **options: Any
    ) -> LocalRun:
        """A run with a terminal: whenever a text appears on its output, its answer is typed.

        ``lines``: questions that are read line by line, as a play's are; the others are read key by key, in raw mode.
        """
        master, slave = pty.openpty()
        try:
            options["env"] = {**options.get("env", {}), "PYTHONUNBUFFERED": "1"}  # else the question stays in a buffer
            started = self.start(files, arm, stdin=slave, terminal=True, **options)
            try:
                waiting = dict(answers)
                deadline = time.monotonic() + 60
                while waiting and processes.alive(psutil.Process(started.process.pid)) and time.monotonic() < deadline:
                    shown = started.output()[0]
                    for question in [question for question in waiting if question in shown]:
                        if question in lines or _raw(slave):
                            time.sleep(0.05)  # upstream throws away what was typed until then, right after it made the terminal raw
                            os.write(master, waiting.pop(question).encode())
                            break
                    time.sleep(0.01)
                return self.end(started, 40)
            finally:
                started.clean_up()
        finally:
            os.close(master)
            os.close(slave)

    def remove(self) -> None:
        shutil.rmtree(self.base, ignore_errors=True)


def _raw(terminal: int) -> bool:
    return not termios.tcgetattr(terminal)[3] & termios.ICANON


@pytest.fixture(scope="session")
def local(bundle_active: str) -> Iterator[Local]:
    """Make runs of ansible-playbook on this machine; the bundle of the installed release is known to be active."""
    made = Local()
    yield made
    made.remove()


def order(run: Run) -> list[tuple[str, str, str]]:
    """Task, event and host of every result, sorted: the hosts of a task come in as they like."""
    return sorted((line.get("task", ""), line["event"], line["host"]) for line in run.events if "host" in line and line["event"] != "start")


__all__ = ["Local", "LocalRun", "events", "order", "series"]


@pytest.fixture
def router() -> Iterator[Any]:
    """A worker's router in this process, with its broker."""
    master = pytest.importorskip("mitogen.master")
    from mitopatch.targets import trust

    router = trust.Router(master.Broker())
    yield router
    router.broker.shutdown()
    router.broker.join()
