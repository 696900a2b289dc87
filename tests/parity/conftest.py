"""Targets with a user who has a password."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from testbed import sshd, stranger
from testbed.runs import Bench


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
