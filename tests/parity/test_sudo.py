"""The real sudo asks for a real password: plain and patched agree on who becomes whom, and on what is said where it is wrong."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from testbed import sshd, stranger
from testbed.compare import assert_same
from testbed.runs import Arm, Bench


@pytest.fixture
def strangers() -> Iterator[Bench]:
    """Two hosts with a user whom sudo asks for a password."""
    if os.geteuid() != 0:
        pytest.skip("needs root: a user with a password is made in a mount namespace")
    missing = [name for name in ("sudo", "unshare", "setpriv", "mount") if shutil.which(name) is None]
    if missing or sshd.executable() is None:
        pytest.skip(f"needs {', '.join(missing or ['sshd'])} (not installed)")
    # Not below pytest's directories: sshd reads the keys as the user.
    directory = Path(tempfile.mkdtemp(prefix="stranger_"))
    directory.chmod(0o755)
    bed = stranger.StrangersBed(directory, 2)
    bench = Bench(bed)
    try:
        try:
            bed.start()
        except RuntimeError as exc:
            pytest.skip(f"needs a mount namespace: {exc}")
        if bed.asks():
            pytest.skip(f"needs a sudo that asks: {bed.asks()}")
        yield bench
    finally:
        bed.stop()
        bench.remove()
        shutil.rmtree(directory)


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
