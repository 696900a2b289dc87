"""A bed of servers in a mount namespace of its own, where users and passwords are what a test wants. Needs root."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Callable, TypeVar

import pytest

from . import sshd
from .runs import Bench

Bed = TypeVar("Bed", bound=sshd.SshBed)


@contextlib.contextmanager
def private_bench(make: Callable[[Path], Bed], programs: Sequence[str]) -> Iterator[tuple[Bench, Bed]]:
    """Start the bed that ``make`` makes in a directory, and end it at the end; skip, by name, what is missing here."""
    if os.geteuid() != 0:
        pytest.skip("needs root: a user with a password is made in a mount namespace")
    missing = [name for name in programs if shutil.which(name) is None]
    if missing or sshd.executable() is None:
        pytest.skip(f"needs {', '.join(missing or ['sshd'])} (not installed)")
    # Not below pytest's directories: sshd reads the keys as the user.
    directory = Path(tempfile.mkdtemp(prefix="private_"))
    directory.chmod(0o755)
    bed = make(directory)
    bench = Bench(bed)
    try:
        try:
            bed.start()
        except RuntimeError as exc:
            pytest.skip(f"needs a mount namespace: {exc}")
        yield bench, bed
    finally:
        bed.stop()
        bench.remove()
        shutil.rmtree(directory)
