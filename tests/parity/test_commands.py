"""The command `ansible`, plain and patched: what it prints, and how loud."""

from __future__ import annotations

import getpass
import re

import pytest
from testbed import compare
from testbed.runs import Arm, Bench, Run

#: Upstream's lines about a connection, which exist only where upstream makes it.
OF_CONNECTION = re.compile(r"<[\w.]+> |Pipelining is enabled|Using module file ")
COMMANDS = {
    "oneline": ["all:!gone", "-m", "shell", "-a", "echo ü; exit {{ 3 if inventory_hostname == 'h01' else 0 }}", "-o", "-f", "1"],
    "verbose": ["near:web[0]", "-m", "ping", "-vv"],
    "loud": ["near:h01", "-m", "ping", "-vvv"],
}

BECOME = f"ansible_become_user={getpass.getuser()} ansible_user={getpass.getuser()}"


def lines(run: Run, drop: bool) -> list[str]:
    """Both outputs as sorted lines: hosts come in as they like."""
    found = [*compare.output_lines(run.stdout, run.paths), "stderr", *compare.output_lines(run.stderr, run.paths)]
    return sorted(line for line in found if line and not (drop and OF_CONNECTION.match(line)))


def test_become_is_told(bench: Bench, bundle_active: str) -> None:
    """At -vvv the line of a command says how it becomes another user, also where Mitogen does it; nothing if it becomes nobody."""
    arms: tuple[Arm, ...] = ("plain", "mitopatch")
    for same, told in (("true", True), ("false", False)):
        for arm in arms:
            env = {"ANSIBLE_BECOME_ALLOW_SAME_USER": same}
            for module in (["ping"], ["raw", "-a", "true"]):
                args = ["near:web", "-b", "-vvv", "-e", BECOME, "-m", *module]
                run = bench.run(args, arm, hosts=1, near=1, program="ansible", env=env)
                assert run.rc == 0, run.stdout + run.stderr
                assert bool(re.search(r"> EXEC .*sudo -H -S ", run.stdout)) is told, (arm, same, run.stdout)


@pytest.mark.parametrize("name", COMMANDS)
def test_agrees(bench: Bench, bundle_active: str, name: str) -> None:
    """Each command gives the same exit code, lines and events; at -vvv all but what upstream says of its own connections."""
    arms: tuple[Arm, ...] = ("plain", "mitopatch")
    # From 2.19 a setting knows where it was set, and the directory of the playbook is one, which a local module starts in.
    env = {"ANSIBLE_PLAYBOOK_DIR": "/tmp"} if name == "verbose" else {}
    plain, patched = (bench.run(COMMANDS[name], arm, hosts=2, near=1, program="ansible", env=env) for arm in arms)
    assert plain.rc == (2 if name == "oneline" else 0), plain.stdout + plain.stderr
    assert patched.rc == plain.rc
    assert lines(plain, name == "loud") == lines(patched, name == "loud")
    assert any("n01 | " in line for line in lines(plain, True))
