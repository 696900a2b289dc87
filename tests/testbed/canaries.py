"""Secrets that are random in every run, and the search for them in files, processes, logs and memory images.

A finding is a place and the name of a canary. Places are coarse ("local_tmp", "argv"), so that those of two runs can be compared.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import io
import json
import mmap
import os
import re
import secrets
import stat
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

Findings = set[tuple[str, str]]

#: The kernel's names for memory images where /proc/sys/kernel/core_pattern is "core".
CORE = re.compile(r"core(\.\d+)?")
BLOB = re.compile(rb"[A-Za-z0-9+/\n]{40,}={0,2}")
#: Decoded layers inside of each other: base64 around a zip around a program that holds base64.
DEPTH = 3
#: Longer files are memory images or archives of the system; they are looked at as they are.
LONG = 4 << 20
#: Answers for what is shorter are kept.
SHORT = 1 << 16


def fresh(names: Iterable[str]) -> dict[str, str]:
    """Return a new secret for each name: letters and digits, so that no quoting changes it."""
    return {name: f"{secrets.token_hex(12)}" for name in names}


class Search:
    """Looks for some canaries as they are, in base64 at each offset, in hexadecimal, in UTF-16, and behind base64 and zlib."""

    def __init__(self, canaries: dict[str, str]) -> None:
        self.canaries = canaries
        self._plain = {name: value.encode() for name, value in canaries.items()}
        self._forms = [(form, name) for name, value in self._plain.items() for form in forms(value)]
        #: Environments of processes are the same ones again and again.
        self._answers: dict[bytes, set[str]] = {}

    def within(self, data: bytes) -> set[str]:
        """Return the names of the canaries in these bytes."""
        if len(data) > SHORT:
            return self._within(data, DEPTH)
        if data not in self._answers:
            self._answers[data] = self._within(data, DEPTH)
        return self._answers[data]

    def _within(self, data: bytes, depth: int) -> set[str]:
        seen = {name for form, name in self._forms if form in data}
        if depth and len(data) <= LONG:
            for part in unpacked(data):
                seen |= self._within(part, depth - 1)
        return seen

    def in_text(self, place: str, text: str) -> Findings:
        """Look at a text."""
        return {(place, name) for name in self.within(text.encode("utf-8", "surrogateescape"))}

    def in_file(self, path: Path) -> set[str]:
        """Look at a file; a long one, such as a core dump, as it is."""
        try:
            if path.stat().st_size <= LONG:
                return self.within(path.read_bytes())
            with open(path, "rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return {name for name, value in self._plain.items() if data.find(value) >= 0}
        except (OSError, ValueError):  # gone, or empty by now
            return set()

    def below(self, root: Path, place: str | None = None, since: float = 0, inner: bool = False) -> Findings:
        """Look at all files below a directory, and at their names: by their first component, or as one place.

        ``inner`` leaves out those that lie in the directory itself.
        """
        found: Findings = set()
        for directory, _, files in os.walk(root):
            if inner and directory == str(root):
                continue
            for name in files:
                path = Path(directory, name)
                with contextlib.suppress(OSError):
                    info = path.lstat()
                    if not stat.S_ISREG(info.st_mode) or info.st_mtime < since:
                        continue
                    where = place or path.relative_to(root).parts[0]
                    if CORE.fullmatch(name):
                        where = f"{where} (core)"
                    elif info.st_mode & stat.S_IROTH and all(open_to_all(each, root) for each in path.parents):
                        where += " (for all to read)"
                    names = self.in_file(path) | self.within(os.fsencode(path.relative_to(root)))
                    found |= {(where, canary) for canary in names}
        return found

    def cores(self, *roots: Path) -> dict[str, set[str]]:
        """Return the directories with memory images below these ones, and the canaries in the images."""
        found: dict[str, set[str]] = {}
        for root in roots:
            for path in root.rglob("core*"):
                if path.is_file() and CORE.fullmatch(path.name):
                    place = str(path.parent.relative_to(root))
                    found[place] = found.get(place, set()) | self.in_file(path)
        return found

    def processes(self) -> Findings:
        """Look at what every process was started with, and what it calls itself now."""
        found: Findings = set()
        for pid in filter(str.isdigit, os.listdir("/proc")):
            for name, place in (("cmdline", "argv"), ("environ", "environ"), ("comm", "argv")):
                with contextlib.suppress(OSError), open(f"/proc/{pid}/{name}", "rb") as stream:
                    found |= {(place, canary) for canary in self.within(stream.read())}
        return found

    def execs(self, path: Path) -> Findings:
        """Look at what testbed.execs has written."""
        found: Findings = set()
        for line in path.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            for name in ("argv", "environ"):
                found |= {(name, canary) for canary in self.within("\0".join(entry[name]).encode("latin-1"))}
        return found


def open_to_all(directory: Path, root: Path) -> bool:
    """Say whether everybody may walk through this directory, if it is below the root or the root itself."""
    return not directory.is_relative_to(root) or bool(directory.stat().st_mode & stat.S_IXOTH)


def forms(value: bytes) -> Iterable[bytes]:
    """Return how this value may stand somewhere; of base64 the part that does not depend on what is around it."""
    yield value
    yield value.decode().encode("utf-16-le")
    yield binascii.hexlify(value)
    yield value[::-1]
    for offset in range(3):
        coded = base64.b64encode(b"\0" * offset + value)
        yield coded[4 if offset else 0 : len(coded) - 4]


def unpacked(data: bytes) -> Iterable[bytes]:
    """Return what is inside of zlib, a zip, or texts in base64."""
    for blob in BLOB.findall(data):
        with contextlib.suppress(ValueError):
            blob = blob.replace(b"\n", b"")  # noqa: PLW2901
            yield base64.b64decode(blob[: len(blob) // 4 * 4])
    with contextlib.suppress(zlib.error):
        yield zlib.decompressobj().decompress(data)
    if b"PK\x03\x04" in data:
        with contextlib.suppress(zipfile.BadZipFile, zlib.error, RuntimeError), zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                yield archive.read(name)
