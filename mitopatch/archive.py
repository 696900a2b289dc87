"""[cli, maintenance] A release read from where it lies. None of it is imported.

ansible-core's is a wheel, an sdist or a directory (`Archive`), Mitogen's a wheel or an sdist (`MitogenArchive`).
"""

from __future__ import annotations

import os
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Optional

from mitopatch import release
from mitopatch.errors import NotApplied, Reason
from mitopatch.fingerprint import SourceFile

#: What reading a damaged archive raises; RuntimeError is zipfile's for an encrypted member.
DAMAGE = (OSError, EOFError, zlib.error, zipfile.BadZipFile, tarfile.TarError, NotImplementedError, RuntimeError, UnicodeError)
_PYTHON = re.compile(r"^Classifier: Programming Language :: Python :: (3\.\d+)$", re.MULTILINE)
# Where an sdist has the packages: ansible-core's below lib, Mitogen's beside setup.py. Not the copies that tests have further down.
_SDIST = re.compile(r"(?:[^/]+/lib/(?=ansible/)|[^/]+/(?=(?:ansible_)?mitogen/))")
_METADATA = re.compile(r"(?:[^/]+\.dist-info/METADATA|[^/]+/PKG-INFO)")


class Archive:
    """[cli, maintenance] One release: its number, the Pythons it names, its modules by dotted name."""

    # Modules of the targets are no part of the controller: half of a release that nobody needs to read.
    _source = re.compile(r"ansible/(?!modules/).*\.py")
    _release = "ansible/release.py"

    def __init__(self, path: str) -> None:
        """Raises NotApplied (MP150 no release there, MP151 damaged)."""
        self.path = path
        self._sources: dict[str, bytes] = {}
        self._files: dict[str, SourceFile] = {}
        metadata = ""
        try:
            for name, read in _members(path):
                if self._source.fullmatch(name):
                    self._sources[name] = read()
                elif _METADATA.fullmatch(name):
                    metadata = read().decode("utf-8")
            self.release = self._written(self._sources.get(self._release, b""))
        except DAMAGE as error:
            raise NotApplied(Reason("MP151", file=path, problem=f"{type(error).__name__}: {error}")) from error
        if not self.release:
            raise NotApplied(Reason("MP150", found=path))
        self.pythons: tuple[str, ...] = tuple(_PYTHON.findall(metadata))

    def _written(self, source: bytes) -> str:
        return release.written(source)

    def _name(self, module: str) -> Optional[str]:
        stem = module.replace(".", "/")
        return next((name for name in (f"{stem}.py", f"{stem}/__init__.py") if name in self._sources), None)

    def module(self, name: str) -> Optional[SourceFile]:
        """[cli, maintenance] A module's file by dotted name, None if the release does not have it."""
        found = self._name(name)
        if found is None:
            return None
        if found not in self._files:
            self._files[found] = SourceFile(self._sources[found], found)
        return self._files[found]

    def package(self, name: str) -> str:
        """[cli, maintenance] What a relative import in this module starts from: a package itself, else the package it is in."""
        return name if (self._name(name) or "").endswith("/__init__.py") else name.rpartition(".")[0]


class MitogenArchive(Archive):
    """[maintenance] A release of Mitogen: its two packages."""

    _source = re.compile(r"(?:ansible_)?mitogen/.*\.py")
    _release = "mitogen/__init__.py"

    def _written(self, source: bytes) -> str:
        return release.numbers(source)


def _members(path: str) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Names as in a wheel (``ansible/release.py``) and how to read each."""
    if os.path.isdir(path):
        return _of_directory(path)
    if zipfile.is_zipfile(path):
        return _of_wheel(path)
    return _of_sdist(path)


def _of_wheel(path: str) -> Iterator[tuple[str, Callable[[], bytes]]]:
    with zipfile.ZipFile(path) as wheel:
        for name in wheel.namelist():
            yield name, lambda name=name: wheel.read(name)  # type: ignore[misc]


def _of_sdist(path: str) -> Iterator[tuple[str, Callable[[], bytes]]]:
    with tarfile.open(path) as sdist:
        for member in sdist:
            file = sdist.extractfile(member) if member.isfile() else None
            if file is not None:
                yield _SDIST.sub("", member.name, count=1) if _SDIST.match(member.name) else member.name, file.read


def _of_directory(path: str) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """A checkout or unpacked sdist (``lib/ansible``), site-packages or an unpacked wheel (``ansible``), or the package itself."""
    roots = [os.path.join(path, "lib"), path, os.path.dirname(os.path.abspath(path))]
    if os.path.basename(os.path.abspath(path)) != "ansible":
        roots.pop()
    for root in roots:
        if os.path.isfile(os.path.join(root, "ansible", "release.py")):
            for folder, _folders, files in os.walk(os.path.join(root, "ansible")):
                yield from _files(root, folder, files)
            return


def _files(root: str, folder: str, names: Iterable[str]) -> Iterator[tuple[str, Callable[[], bytes]]]:
    for name in names:
        path = os.path.join(folder, name)
        yield os.path.relpath(path, root).replace(os.sep, "/"), lambda path=path: _read(path)  # type: ignore[misc]


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
