"""[any process] Which ansible-core is installed, found without importing it: its release.py is read, never run."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from typing import Any, NamedTuple, Optional, Union

from packaging.version import InvalidVersion, Version

from mitopatch.errors import Reason

# What distributions put before or behind upstream's number: an epoch, a revision of their own, a word of any kind.
_DIGITS = re.compile(r"v?([0-9]{1,9}(?:\.[0-9]{1,9})+)")
_EPOCH = re.compile(r"^[0-9]+[:!]")


class Copy(NamedTuple):
    """[cli] One ansible-core that lies in an import path: the folder of the package, and what its release.py calls it."""

    folder: str
    text: str


def _spec() -> Optional[ModuleSpec]:
    """How an import would find the package. Importing has precedence over finding: what is loaded is what runs."""
    loaded = sys.modules.get("ansible")
    if loaded is not None:
        return getattr(loaded, "__spec__", None)
    try:
        # Finding a top-level package imports nothing, and asks the finders of editable installs too.
        return importlib.util.find_spec("ansible")
    except (ImportError, ValueError):
        return None


def _folders(spec: Optional[ModuleSpec]) -> Sequence[str]:
    loaded = sys.modules.get("ansible")
    if loaded is not None:
        return [str(path) for path in getattr(loaded, "__path__", [])]
    return list(spec.submodule_search_locations or []) if spec else []


def _read(folder: str, loader: Any = None) -> Optional[bytes]:
    """release.py of a package folder; through the package's own loader where it is no file (an archive on sys.path)."""
    path = os.path.join(folder, "release.py")
    for read in (_bytes, getattr(loader, "get_data", None)):
        try:
            found = read(path) if read else None
        except OSError:
            continue
        if isinstance(found, bytes):
            return found
    return None


def _bytes(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def written(source: bytes) -> str:
    """[any process] The text that a release.py binds to ``__version__``, quoted and annotated as it likes; '' if it is not a plain text."""
    found = ""
    try:
        lines = ast.parse(source).body
    except (SyntaxError, ValueError):
        return found
    for line in lines:
        targets = line.targets if isinstance(line, ast.Assign) else [line.target] if isinstance(line, ast.AnnAssign) else []
        if any(isinstance(target, ast.Name) and target.id == "__version__" for target in targets):
            value = line.value  # type: ignore[attr-defined]
            found = value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else ""
    return found


def numbers(source: Union[str, bytes]) -> str:
    """[any process] Return the numbers that a mitogen/__init__.py binds to ``__version__``, with dots between; '' if there are none."""
    try:
        for line in ast.parse(source).body:
            if isinstance(line, ast.Assign) and [getattr(target, "id", "") for target in line.targets] == ["__version__"]:
                return ".".join(map(str, ast.literal_eval(line.value)))
    except (SyntaxError, ValueError, TypeError):
        pass
    return ""


def installed(folders: Optional[Sequence[str]] = None) -> Union[str, Reason]:
    """[any process] What the ansible-core that an import would give calls itself, or the reason there is none.

    '' if it has a release.py that does not say: that is no number, and `parse` says so.
    """
    if folders is None:
        loaded = getattr(sys.modules.get("ansible.release"), "__version__", None)
        if isinstance(loaded, str):
            return loaded
    spec = _spec() if folders is None else None
    for folder in _folders(spec) if folders is None else folders:
        source = _read(folder, getattr(spec, "loader", None))
        if source is not None:
            return written(source)
    return Reason("MP103", python=sys.prefix)


def copies(path: Optional[Sequence[str]] = None) -> list[Copy]:
    """[cli] Every ansible-core in reach, the one that an import gives first; a folder that is reached twice counts once."""
    spec = _spec() if path is None else None
    found: dict[str, Copy] = {}
    for folder in [*_folders(spec), *_beside(sys.path if path is None else path)]:
        source = _read(folder, getattr(spec, "loader", None))
        if source is not None:
            found.setdefault(os.path.realpath(folder), Copy(folder, written(source)))
    return list(found.values())


def _beside(path: Sequence[str]) -> Iterator[str]:
    for entry in path:
        folder = os.path.join(entry or os.curdir, "ansible")
        # A folder named ansible is common (playbooks, remains of an uninstalled package): only __init__.py makes it one to import.
        if os.path.isfile(os.path.join(folder, "__init__.py")):
            yield folder


def parse(text: str) -> Union[Version, Reason]:
    """[any process] A release text as a version; development, candidate and local releases included.

    Distributions write what is no Python version (``2.19.0~beta6-1``, ``1:2.16.3-2.el9``): what is upstream's in it counts. A wrong
    guess patches nothing, because every body is checked.
    """
    plain = _EPOCH.sub("", text.strip())
    # "~" sorts before everything at Debian and Fedora: it stands where Python needs no sign, before alpha, beta and rc.
    for candidate in (plain, plain.replace("~", "")):
        try:
            return Version(candidate)
        except (InvalidVersion, ValueError):
            continue
    digits = _DIGITS.match(plain)
    return Version(digits[1]) if digits else Reason("MP104", found=text)


def series(version: Version) -> str:
    """[any process] ``2.16`` of ``2.16.3rc1+local``."""
    return f"{version.major}.{version.minor}"
