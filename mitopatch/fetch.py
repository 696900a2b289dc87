"""[cli, maintenance] Getting a release of ansible-core or Mitogen from the package index by pip: nothing is installed, none of it runs.

2.11 and 2.12 have no wheels, and pip asks the build backend of an sdist for its metadata, which would run the sdist's setup.py.
So pip meets a backend of ours under the name setuptools, which hands over the metadata that lies in the sdist.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import subprocess  # nosec B404 # pip has no other interface
import sys
import tempfile
import time
from typing import Optional

from mitopatch.errors import NotApplied, Reason

LONGEST = 900.0
_PARTIAL = "partial-"
_BACKEND = """\
import email, os, shutil, sys

def get_requires_for_build_wheel(config_settings=None):
    return []

def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    with open("PKG-INFO", encoding="utf-8") as file:
        said = email.message_from_file(file)
    name = "-".join((said["Name"].replace("-", "_"), said["Version"])) + ".dist-info"
    os.mkdir(os.path.join(metadata_directory, name))
    shutil.copy("PKG-INFO", os.path.join(metadata_directory, name, "METADATA"))
    return name

__legacy__ = sys.modules[__name__]
"""


def cache() -> str:
    """[cli] Where downloads are kept, for this user alone. Raises OSError if it cannot be made."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    folder = os.path.join(base, "mitopatch")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    os.chmod(folder, 0o700)
    return folder


def fetch(wanted: str, folder: Optional[str] = None, package: str = "ansible-core") -> str:
    """[cli, maintenance] The path of a release's wheel or sdist in ``folder`` (`cache` if none is given), downloaded if need be.

    What lies there is whole: a download is moved in when it is complete. Raises NotApplied (MP153, MP155).
    """
    try:
        folder = folder or cache()
        # A wheel or an sdist; an older sdist has a hyphen in its name.
        name = re.compile(rf"{package.replace('-', '[-_]')}-{re.escape(wanted)}(?:-[^-]+-none-any\.whl|\.tar\.gz)")
        cached = sorted(found for found in (os.listdir(folder) if os.path.isdir(folder) else ()) if name.fullmatch(found))
        return os.path.join(folder, cached[0]) if cached else _download(wanted, folder, package)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotApplied(Reason("MP153", package=package, found=wanted, problem=f"{type(error).__name__}: {error}")) from error


def _download(wanted: str, folder: str, package: str) -> str:
    if importlib.util.find_spec("pip") is None:
        raise NotApplied(Reason("MP155", package=package, found=wanted, python=sys.executable))
    os.makedirs(folder, exist_ok=True)
    _sweep(folder)
    with tempfile.TemporaryDirectory(prefix=_PARTIAL, dir=folder) as scratch:
        backend, target = os.path.join(scratch, "backend", "setuptools"), os.path.join(scratch, "target")
        os.makedirs(backend)
        for name, text in (("__init__.py", ""), ("build_meta.py", _BACKEND)):
            with open(os.path.join(backend, name), "w", encoding="utf-8") as file:
                file.write(text)
        path = os.pathsep.join(filter(None, (os.path.dirname(backend), os.environ.get("PYTHONPATH"))))
        done = subprocess.run(  # noqa: S603 # nosec B603 # the release is a number, nothing goes through a shell
            [
                *(sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check", "--no-deps"),
                *("--ignore-requires-python", "--use-pep517", "--no-build-isolation", "--dest", target, f"{package}=={wanted}"),
            ],
            env={**os.environ, "PYTHONPATH": path},
            check=False,
            capture_output=True,
            text=True,
            timeout=LONGEST,
            stdin=subprocess.DEVNULL,
        )
        found = os.listdir(target) if os.path.isdir(target) else []
        if done.returncode or len(found) != 1:
            raise NotApplied(Reason("MP153", package=package, found=wanted, problem=_complaint(done.stderr)))
        whole = os.path.join(folder, found[0])
        os.replace(os.path.join(target, found[0]), whole)
        return whole


def _sweep(folder: str) -> None:
    """Remove what downloads that were killed have left; one that is older than it may take is no longer under way."""
    for entry in os.scandir(folder):
        with contextlib.suppress(FileNotFoundError):  # another download has just ended
            if entry.name.startswith(_PARTIAL) and time.time() - entry.stat().st_mtime > LONGEST + 60:
                shutil.rmtree(entry.path, ignore_errors=True)


def _complaint(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    errors = [line[len("ERROR: ") :] for line in lines if line.startswith("ERROR: ")]
    return (errors or lines or ["pip says nothing"])[-1]
