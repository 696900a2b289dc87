"""[any process] Which ansible-core is installed, found by reading its release.py and never by importing it."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Sequence
from typing import Optional, Union

from packaging.version import InvalidVersion, Version

from mitopatch.errors import Reason

_VERSION_LINE = re.compile(rb"""^__version__\s*=\s*(['"])(?P<text>.+?)\1""", re.MULTILINE)


def _folders() -> Sequence[str]:
    loaded = sys.modules.get("ansible")
    if loaded is not None:
        return list(getattr(loaded, "__path__", []))
    try:
        # Finding a top-level package imports nothing.
        spec = importlib.util.find_spec("ansible")
    except (ImportError, ValueError):
        return []
    return list(spec.submodule_search_locations or []) if spec else []


def written(source: bytes) -> str:
    """[any process] The text that a release.py binds to ``__version__``; '' if there is none."""
    match = _VERSION_LINE.search(source)
    return match["text"].decode("utf-8") if match else ""


def installed(folders: Optional[Sequence[str]] = None) -> Union[str, Reason]:
    """[any process] The text of ``__version__`` of the ansible-core that an import would give, or the reason there is none."""
    for folder in _folders() if folders is None else folders:
        try:
            with open(os.path.join(folder, "release.py"), "rb") as file:
                found = written(file.read())
        except (OSError, UnicodeError):
            continue
        if found:
            return found
    return Reason("MP103", python=sys.prefix)


def parse(text: str) -> Union[Version, Reason]:
    """[any process] A release text as a version; development, candidate and local releases included."""
    try:
        return Version(text)
    except InvalidVersion:
        return Reason("MP104", found=text)


def series(version: Version) -> str:
    """[any process] ``2.16`` of ``2.16.3rc1+local``."""
    return f"{version.major}.{version.minor}"
