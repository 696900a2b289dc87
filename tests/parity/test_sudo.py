"""The real sudo asks for a real password: plain and patched agree on who becomes whom, and on what is said where it is wrong."""

from __future__ import annotations

import pytest
from testbed import stranger
from testbed.compare import assert_same
from testbed.runs import Arm, Bench


@pytest.mark.parametrize("pipelining", [True, False])
def test_password(strangers: Bench, bundle_active: str, pipelining: bool) -> None:
    variables = {
        "ansible_user": stranger.NAME,
        "ansible_become_password": f"'{stranger.PASSWORD}'",
        "ansible_remote_tmp": strangers.bed.directory / "home/.ansible/tmp",
        "ansible_async_dir": strangers.bed.directory / "home/.ansible_async",
    }
    config = {"ssh_connection": {"pipelining": pipelining}}
    arms: tuple[Arm, ...] = ("plain", "mitopatch")
    plain, patched = (strangers.run(["routes/sudo.yml"], arm, hosts=2, variables=variables, config=config) for arm in arms)
    assert plain.rc == 0, plain.stdout + plain.stderr
    assert "Incorrect sudo password" in plain.stdout
    assert "Missing sudo password" in plain.stdout
    said = {event["task"]: event["result"].get("stdout") for event in plain.events if event["event"] == "ok"}
    assert (said["Who"], said["Who asks"], said["Right after all"]) == ("root", stranger.NAME, "root")
    assert_same(plain, patched)
