"""[maintenance] One run of a role set in one arm, on targets that have just begun."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from maintenance.realcontent.contents import Content
from maintenance.realcontent.targets import Fleet

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from testbed import events, processes, runs  # noqa: E402
from testbed.runs import Run, Started  # noqa: E402

#: The arms that are compared; the third one is only measured.
PAIR = get_args(runs.Arm)
MITOGEN = "mitogen_linear"

LIMIT = 3600.0
METER = ROOT / "tests/bench/meter.py"
#: Memory is not reported: its peak is looked at as rarely as the meter can.
METER_SHARE = 0.01
CALLBACKS = ROOT / "tests/testbed/plugins/callback"


@dataclass
class Step:
    """What one run of the playbook left: events and output, files of the targets, time."""

    run: Run
    files: dict[str, dict[str, str]]
    measured: dict[str, float]

    def write(self, directory: Path, number: int) -> None:
        """Keep it below the project, so that it can be compared again."""
        for name in ("stdout", "stderr", "events"):
            shutil.copy(directory / name, directory / f"{name}.{number}")
        (directory / f"step.{number}").write_text(json.dumps({"rc": self.run.rc, "files": self.files, "measured": self.measured}))

    @classmethod
    def read(cls, directory: Path, number: int, name: Path) -> Step:
        """Return what `write` kept in a directory that had another name then."""
        kept = json.loads((directory / f"step.{number}").read_text())
        out, err = ((directory / f"{stream}.{number}").read_text(errors="replace") for stream in ("stdout", "stderr"))
        measured = kept["measured"]
        done = Run(kept["rc"], out, err, events.read(directory / f"events.{number}"), measured["wall"], 0.0, name)
        return cls(done, kept["files"], measured)


def new_project(directory: Path, content: Content, fleet: Fleet, arm: str, seeds: Path, settings: dict[str, dict[str, Any]]) -> None:
    """Make the directory from which Ansible runs; it has one name in both arms, since roles write it into files."""
    shutil.rmtree(directory, ignore_errors=True)
    for name in ("home", "tmp", "local_tmp", "cp"):
        (directory / name).mkdir(parents=True)
    for name in content.seeds:
        if (seeds / name).exists():
            shutil.copytree(seeds / name, directory / name, symlinks=True)
    known = directory / "known_hosts"
    key_type, key = (fleet.keys / "host_key.pub").read_text().split()[:2]
    known.write_text("".join(f"[{target.address}]:{fleet.port} {key_type} {key}\n" for target in fleet.targets.values()))
    options = f"-F none -o UserKnownHostsFile={known} -o GlobalKnownHostsFile=/dev/null -o IdentitiesOnly=yes -o IdentityAgent=none"
    hosts = {
        name: {
            "ansible_host": target.address,
            "ansible_port": fleet.port,
            "ansible_user": "root",
            "ansible_ssh_private_key_file": fleet.keys / "user_key",
            "ansible_ssh_common_args": options,
            "ansible_python_interpreter": "/usr/bin/python3",
        }
        for name, target in fleet.targets.items()
    }
    content.write_project(directory, hosts)
    sections: dict[str, dict[str, Any]] = {
        "defaults": {
            "inventory": directory / "inventory",
            "callback_plugins": CALLBACKS,
            "callbacks_enabled": "eventlog",
            "local_tmp": directory / "local_tmp",
            "retry_files_enabled": False,
            "forks": 20,
            "timeout": 60,
            "nocows": True,
        },
        "ssh_connection": {
            "pipelining": True,
            "control_path_dir": directory / "cp",
            "ssh_args": "-C -o ControlMaster=auto -o ControlPersist=60s",
        },
    }
    if arm == "mitopatch":
        sections["defaults"]["mitopatch"] = "on"
    if arm == MITOGEN:
        plugins = importlib.metadata.distribution("mitogen").locate_file("ansible_mitogen/plugins/strategy")
        sections["defaults"].update(strategy_plugins=plugins, strategy=MITOGEN)
    for more in (content.config(), settings):
        for section, values in more.items():
            sections.setdefault(section, {}).update(values)
    text = "".join(f"[{section}]\n" + "".join(f"{k} = {v}\n" for k, v in values.items()) + "\n" for section, values in sections.items())
    (directory / "ansible.cfg").write_text(text)


def metered(report: Path) -> list[str]:
    """Return what stands before a command whose time is to be written to the file."""
    return [sys.executable, str(METER), str(report), str(METER_SHARE)]


def run(directory: Path, content: Content, arm: str, check: bool, more: list[str]) -> tuple[Run, dict[str, float]]:
    """Run the playbook once; return what came of it, and its wall and CPU seconds."""
    for name in ("events", "stdout", "stderr"):
        (directory / name).unlink(missing_ok=True)
    marker = uuid.uuid4().hex
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '/usr/bin:/bin')}",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "HOME": str(directory / "home"),
        "USER": "root",
        "TMPDIR": str(directory / "tmp"),
        "ANSIBLE_HOME": str(directory / "home/.ansible"),
        "ANSIBLE_NOCOLOR": "1",
        "PYTHONHASHSEED": "0",  # roles make lists of sets
        "MITOPATCH_CACHE": str(directory / "cache"),
        "TESTBED_EVENTLOG": str(directory / "events"),
        **{name: value for name, value in os.environ.items() if name.startswith("MITOPATCH_")},
        processes.MARKER: marker,
    }
    if arm != "mitopatch":
        environment["MITOPATCH"] = "off"
    report = directory / "measured.json"
    command = [*metered(report), str(Path(sys.executable).parent / "ansible-playbook")]
    command += [str(content.playbook()), *content.args, *(["--check"] if check else []), *more]
    done = Started(directory, command, environment, marker).finish(LIMIT)
    measured: dict[str, float] = json.loads(report.read_text())
    return done, measured
