"""A target in somebody else's hands harms itself, and nobody else: a real hostile interpreter over a real ssh."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from testbed import stranger
from testbed.inventory import interpreter
from testbed.runs import Bench, Run

PROGRAMS = Path(__file__).parent / "programs"
PEAK = Path(__file__).parent / "peak.py"
#: KiB that no process of a run may have, whatever a target sends; peaceful ones are a quarter of it.
LARGEST_PROCESS = 400 * 1024
#: What every honest run of the playbook does on the other host.
HONEST = {"Connect", "Attack", "Idle", "Again", "Secret", "A file for h02", "Right"}


class Siege:
    """[test] One run with a hostile target, and what it has got."""

    def __init__(self, bench: Bench, attack: str, prologue: str = "", **variables: Any) -> None:
        """``prologue``: what the target's shell does before the attacker's interpreter starts."""
        self.loot = Path(bench.base) / f"loot-{uuid.uuid4().hex[:8]}"
        self.loot.mkdir()
        self.loot.chmod(0o777)
        self.secret = f"canary-{uuid.uuid4().hex}"
        self.of_h02 = self.loot / "of-h02"
        # Larger than what Mitogen sends in an argument.
        self.of_h02.write_text(self.secret * 8000)
        self.of_h02.chmod(0o600)
        (self.loot / "of-the-controller").write_text(self.secret)
        self._write_private_collection()
        names = {
            "hostile_python": self._write_python(attack, prologue),
            "honest_python": interpreter(),
            "loot": self.loot,
            "secret": self.secret,
            "of_h02": self.of_h02,
        }
        arguments = ["hostile.yml", *(word for name, value in names.items() for word in ("-e", f"{name}={value}"))]
        env = {"MITOPATCH_WORKERS": "1", "ANSIBLE_COLLECTIONS_PATH": str(self.loot / "collections")}
        prefix = [sys.executable, str(PEAK), str(self.loot / "peak")]
        self.run: Run = bench.run(arguments, "mitopatch", hosts=2, env=env, prefix=prefix, variables=variables)

    def _write_python(self, attack: str, prologue: str) -> Path:
        settings = {
            "PYTHONPATH": PROGRAMS,
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOSTILE_ATTACK": attack,
            "HOSTILE_LOOT": self.loot,
            "HOSTILE_FILE": self.of_h02,
        }
        exports = "".join(f"export {name}={shlex.quote(str(value))}\n" for name, value in settings.items())
        python = self.loot / "python"
        python.write_text(f'#!/bin/sh\n{exports}{prologue}\nexec {interpreter()} "$@"\n')
        python.chmod(0o755)
        return python

    def _write_private_collection(self) -> None:
        collection = self.loot / "collections/ansible_collections/my/private"
        (collection / "plugins/lookup").mkdir(parents=True)
        (collection / "plugins/module_utils").mkdir()
        (collection / "galaxy.yml").write_text("namespace: my\nname: private\nversion: 1.0.0\n")
        for path in ("__init__.py", "plugins/lookup/secretive.py", "plugins/module_utils/others.py"):
            (collection / path).write_text(f"TOKEN = {self.secret!r}\n")

    def got(self, name: str) -> str:
        """What the target wrote down under this name."""
        path = self.loot / name
        return path.read_text() if path.exists() else ""

    @property
    def text(self) -> str:
        """All that the run has said, and the loot."""
        loot = "".join(f"\n-- {path.name}: {path.read_text()[:500]}" for path in sorted(self.loot.iterdir()) if path.is_file())
        return self.run.stdout[-4000:] + self.run.stderr[-4000:] + loot

    def unreachable(self) -> dict[str, str]:
        """Why hosts are unreachable."""
        lines = [line for line in self.run.events if line["event"] == "unreachable"]
        return {line["host"]: str(line["result"]["msg"]) for line in lines}

    def assert_others_are_safe(self, leftovers: Sequence[str] = ("[mux]",)) -> None:
        """The other host has done all its tasks, with its own results; nothing of it or of the controller has got out.

        ``leftovers``: processes that the run may leave behind. What ssh does, by ControlPersist, it does in plain Ansible too.
        """
        done = {line["task"] for line in self.run.events if line["event"] == "ok" and line["host"] == "h02"}
        assert done == HONEST, self.text
        for name in ("on-the-controller", "in-another-target", "stolen"):
            assert not self.got(name), self.text
        assert self.secret not in self.got("answers"), self.text
        assert "FORGED" not in self.run.stdout, self.text
        assert not self.got("failed"), self.text
        assert not [line for line in self.run.leftovers if not any(word in line for word in leftovers)], self.run.leftovers
        assert int(self.got("peak")) < LARGEST_PROCESS, self.text


@pytest.fixture(autouse=True)
def _needs(bundle_active: str) -> None:
    if os.geteuid() != 0 or shutil.which("sudo") is None:
        pytest.skip("needs root and sudo: a host becomes root with a secret")


REFUSED = {
    "route_to_the_controller": "a route to what is not behind it",
    "route_to_everybody": "a route to what is not behind it",
    "route_to_what_is_not_given_yet": "a route to what is not behind it",
    "route_out_of_range": "a route",
    "route_that_is_no_route": "a route that cannot be read",
    "route_when_idle": "a route to what is not behind it",
    "route_twice": "a route to what is not behind it",
    "end_of_others_routes": "the end of a route that is not its own",
    "call_others": "a message for another target",
    "in_the_controllers_name": "a message in the name of another interpreter",
    "with_the_controllers_authority": "a message in the name of another interpreter",
    "in_anothers_name": "a message in the name of another interpreter",
    "answers_for_others": "an answer to what another target was asked",
    "ends_of_others": "an answer to what another target was asked",
    "flood_of_logs": "a flood of messages",
    "flood_of_requests": "a flood of",
    "flood_of_modules": "a flood of requests",
    "flood_of_numbers": "a flood of",
    "flood_to_nobody": "a flood of messages",
    "bomb_memo": "an answer that cannot be read",
    "bomb_lists": "an answer that cannot be read",
    "bomb_bytes": "an answer that cannot be read",
    "bomb_blob": "an answer that cannot be read",
    "bomb_call": "an answer that cannot be read",
    "bomb_other": "an answer that cannot be read",
    "bomb_short": "an answer that cannot be read",
    "bomb_noise": "an answer that cannot be read",
}


@pytest.mark.parametrize("attack", REFUSED)
def test_who_attacks_is_unreachable(attack: str, bench: Bench) -> None:
    """With one sentence that says what it did; the other host goes on."""
    siege = Siege(bench, attack)
    siege.assert_others_are_safe()
    unreachable = siege.unreachable()
    assert list(unreachable) == ["h01"], siege.text
    # From 2.19 upstream puts words before it.
    assert re.fullmatch(rf"(Task failed: )?MP220 \S+ sent {REFUSED[attack]}.*\.", unreachable["h01"]), siege.text
    assert siege.run.rc == 4


@pytest.mark.parametrize("attack", ["resources", "modules", "files", "services", "end_of_services", "logs_that_are_none"])
def test_what_is_not_for_a_target_is_not_given(attack: str, bench: Bench) -> None:
    """Who asks for what is not its own gets no for an answer, and can go on."""
    siege = Siege(bench, attack)
    siege.assert_others_are_safe()
    assert siege.unreachable() == {}, siege.text
    assert siege.run.rc == 0
    assert " True" not in siege.got("modules")
    assert "root:" not in siege.got("answers")
    # What a target logs is for who asks for it.
    assert "\x1b" not in siege.run.stdout + siege.run.stderr
    assert "red" not in siege.run.stderr


@pytest.mark.parametrize("attack", ["huge_frame", "half_a_frame", "no_frame"])
def test_a_connection_that_breaks(attack: str, bench: Bench) -> None:
    """What is no message ends the connection, and the host is unreachable."""
    siege = Siege(bench, attack)
    siege.assert_others_are_safe()
    assert list(siege.unreachable()) == ["h01"], siege.text


def test_an_interpreter_in_between_says_that_another_target_is_behind_it(strangers: Bench) -> None:
    """Asked to start that of another user: what is meant for that user would run on the other target."""
    variables = {
        "ansible_user": stranger.NAME,
        "ansible_become_password": f"'{stranger.PASSWORD}'",
        "ansible_become": "true",
        "ansible_remote_tmp": strangers.bed.directory / "home/.ansible/tmp",
    }
    siege = Siege(strangers, "number_of_another", **variables)
    assert siege.got("asked"), siege.text
    siege.assert_others_are_safe()
    assert "sent the number of another interpreter" in siege.unreachable()["h01"], siege.text


@pytest.mark.parametrize(
    "prologue",
    [
        pytest.param("head -c 20000000 /dev/zero", id="output before the interpreter"),
        pytest.param("head -c 20000000 /dev/zero >&2", id="errors before the interpreter"),
        pytest.param("head -c 50000000 /dev/zero >&2 &", id="errors beside the interpreter"),
        pytest.param("yes | head -c 20000000 >&2", id="lines before the interpreter"),
    ],
)
def test_what_a_shell_of_the_target_writes(prologue: str, bench: Bench) -> None:
    """Lines without an end, or very many of them: the other host goes on, and this one too where it can be reached."""
    siege = Siege(bench, "", f"touch $HOSTILE_LOOT/done $HOSTILE_LOOT/over\n{prologue}")
    # ssh goes on for as long as somebody writes.
    siege.assert_others_are_safe(["ssh"])
