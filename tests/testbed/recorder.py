"""Stands for ssh: writes down how it was called, then becomes the real one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

PROGRAM = """\
#!{python}
import json, os, sys

with open({log!r}, "a") as stream:
    stream.write(json.dumps([sys.argv[1:], dict(os.environ)]) + "\\n")
os.execv({ssh!r}, [{ssh!r}, *sys.argv[1:]])
"""


class Call(NamedTuple):
    """One call of ssh: its arguments, and the environment that it was given."""

    arguments: list[str]
    environment: dict[str, str]

    @property
    def address(self) -> str:
        """The host, which stands before the command."""
        return self.arguments[-2]

    def settings(self) -> list[str]:
        """Return what ssh itself makes of its arguments (``ssh -G``), without a terminal for this one command."""
        line = [word for word in self.arguments[:-1] if word != "-tt"]
        done = subprocess.run([real(), "-G", *line], capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL, check=False)
        assert done.returncode == 0, f"{line}: {done.stderr}"
        return done.stdout.splitlines()


class Recorder:
    """A program for ``ansible_ssh_executable``."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.log = directory / "calls"
        self.path = directory / "ssh"
        self.path.write_text(PROGRAM.format(python=sys.executable, log=str(self.log), ssh=real()))
        self.path.chmod(0o755)

    def calls(self) -> list[Call]:
        """Return the calls so far that had a command, and begin anew."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        found = [Call(*json.loads(line)) for line in lines]
        return [call for call in found if "-O" not in call.arguments]


def real() -> str:
    """Return the path of the real ssh."""
    path = shutil.which("ssh", path=os.environ.get("PATH", "/usr/bin:/bin"))
    assert path is not None, "ssh is not installed"
    return path
