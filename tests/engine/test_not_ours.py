"""Code that is not ours: what lies in the directory in which an interpreter starts is imported by no stage of it and by no child."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from testbed import strange
from testbed.compare import assert_same

from tests.engine.conftest import Local, LocalRun, series

pytest.importorskip("mitogen.parent", reason="Ansible is not installed, or Mitogen refuses it")

from mitopatch.targets import core_source

#: Where an interpreter looks for imports; the payload of AnsiballZ and what `site` adds for the user apart.
MODULE = """\
#!/usr/bin/python
import sys
from ansible.module_utils.basic import AnsibleModule

module = AnsibleModule({})
import calendar, csv, gettext, wave  # of the standard library, and nobody has imported them yet
try:
    import docker
except ImportError:
    docker = None
try:
    import of_the_start
except ImportError:
    of_the_start = None
module.exit_json(
    docker=getattr(docker, "__file__", None),
    of_the_start=getattr(of_the_start, "VALUE", None),
    places=[place for place in sys.path if not place.endswith((".zip", "_payload_")) or "/python" in place],
)
"""
FORKED = MODULE.replace("import calendar", "import ansible.module_utils.of_the_play\nimport calendar")
PLAY = """\
- hosts: all
  gather_facts: false
  tasks:
    - places: {}
    - places: {}
      become: true
    - forked: {}
    - forked: {}
      become: true
"""


def pythons() -> list[str]:
    """Return this Python, and of the others that lie beside it or on PATH the oldest and the newest that releases manage."""
    wanted = {"3.13"}
    wanted |= {"2.7", "3.6"} if series() < (2, 17) else {"3.8" if series() < (2, 20) else "3.9"}
    beside = Path(sys.base_prefix).parent
    places = [*(beside / directory / "bin" for directory in sorted(os.listdir(beside))), *map(Path, os.get_exec_path())]
    chosen = {"this": sys.executable}
    for version in sorted(wanted):
        for place in places:
            path = place / f"python{version}"
            done = path.is_file() and subprocess.run([path, "-c", ""], capture_output=True, timeout=60, check=False).returncode == 0
            if done:
                chosen[version] = str(path)
                break
    return list(chosen.values())


def inventory(commands: Mapping[str, str]) -> str:
    return "".join(f"{name} ansible_python_interpreter={path}\n" for name, path in commands.items()) + (
        "[all:vars]\nansible_connection=local\nansible_become_exe=sudo\n"
    )


def test_the_prelude_comes_first(router: Any) -> None:
    """After a docstring and what has to come before all statements; in front of the first import otherwise."""
    assert core_source.mended("x = 1\n") == core_source.PRELUDE + "x = 1\n"
    head = '# c\n"""Text."""\nfrom __future__ import division\n\n'
    assert core_source.mended(head + "import os\nimport sys\n") == head + core_source.PRELUDE + "import os\nimport sys\n"
    with pytest.raises(ValueError, match="no statement"):
        core_source.mended('"""Text."""\n')


def check(patched: LocalRun, marker: Path) -> None:
    """Fail if anything strange was imported, or an interpreter looks where it should not."""
    assert patched.rc == 0, patched.text
    assert patched.workers
    assert not marker.exists(), marker.read_text()
    for hosts in patched.values("places").values():
        for places in hosts.values():
            assert not {"", ".", str(patched.directory)} & set(places), places


CONFIG = "[privilege_escalation]\nbecome_allow_same_user = true\n"
FILES = {
    "site.yml": PLAY,
    "library/places.py": MODULE,
    "library/forked.py": FORKED,
    "module_utils/of_the_play.py": "VALUE = 1\n",
}


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes root without a password")
def test_nothing_beside_the_playbook_is_imported(local: Local, tmp_path: Path) -> None:
    """On this machine, under become, in a fork of the interpreter, for the oldest and the newest Python of targets."""
    hosts = {f"h{number}": path for number, path in enumerate(pythons())}
    marker = tmp_path / "marker"
    files = {**FILES, **strange.files(marker)}
    plain, patched = local.both(files, inventory=inventory(hosts), config=CONFIG)
    check(patched, marker)
    assert_same(plain, patched)


@pytest.mark.parametrize(("safeguard", "version"), [("prelude", None), ("safe_path", "3.13")])
@pytest.mark.skipif(os.geteuid() != 0, reason="becomes root without a password")
def test_the_nets_hold_something(local: Local, tmp_path: Path, safeguard: str, version: str | None) -> None:
    """Without one of the two safeguards some of the same files are imported."""
    command = sys.executable if version is None else next((path for path in pythons() if path.endswith(version)), None)
    if command is None:
        pytest.skip(f"needs Python {version}")
    marker = tmp_path / "marker"
    files = {**FILES, **strange.files(marker)}
    run = local.run(files, inventory=inventory({"h1": command}), config=CONFIG, without=safeguard)
    assert marker.exists(), run.text


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes root without a password")
@pytest.mark.parametrize("pipelining", [False, True], ids=["file", "pipe"])
def test_what_pythonpath_names(local: Local, tmp_path: Path, pipelining: bool) -> None:
    """Plain Ansible's interpreters look for imports where PYTHONPATH says, but where they read a pipe not in the start directory."""
    hosts = {}
    for number, variable in enumerate(("", ".", ":", "/not/there:", ".:/not/there", "$PWD", "$PWD/lib")):
        command = tmp_path / f"python{number}"
        command.write_text(f'#!/bin/sh\nPYTHONPATH="{variable}" exec {sys.executable} "$@"\n')
        command.chmod(0o755)
        hosts[f"h{number}"] = str(command)
    files = {**FILES, "of_the_start.py": "VALUE = 'start'\n", "lib/of_the_start.py": "VALUE = 'lib'\n"}
    plain, patched = local.both(files, inventory=inventory(hosts), config=CONFIG, env={"ANSIBLE_PIPELINING": str(pipelining)})
    assert plain.rc == 0, plain.text
    assert patched.workers
    assert {"lib"} <= set(plain.values("of_the_start")["places"].values())
    assert_same(plain, patched)
