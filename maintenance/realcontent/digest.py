"""[maintenance] What is on a target: type, mode, owner and content of every file, without what differs between any two runs."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

#: Not compared at all.
LEFT_OUT = {
    r"var/log/.*": "logs: clock and process numbers",
    r"var/cache/(apt|man|ldconfig|debconf|fontconfig)/.*": "caches: clock, inodes",
    r"var/lib/apt/(lists|periodic)/.*": "package indexes and stamps of apt: clock",
    r"var/lib/dpkg/(lock.*|triggers/Lock|.*-old)": "locks and the state before",
    r"var/lib/systemd/(random-seed|timers/.*|catalog/database)": "random, clock",
    r".*/__pycache__(/.*)?": "byte code: holds the source's time, and sets in the order of a hash seed",
    r"(.*/)?\.git/(objects|index|logs|COMMIT_EDITMSG|refs|info/refs|packed-refs)(/.*)?": "commits: clock",
}
#: Compared but for the content.
CONTENT_LEFT_OUT = {
    r"etc/(shadow|gshadow|passwd|group|subuid|subgid)-": "the state before the last change",
    r"known_hosts|inventory/host_vars/host\d+\.json|etc/apt/apt\.conf\.d/00mirror": "our own: ports of one session",
}


def without(found: Mapping[str, str], left_out: Mapping[str, str], content_left_out: Mapping[str, str]) -> dict[str, str]:
    """Return what `changes` found without what these tables name; they may know more than they did then."""
    absent, bare = _table({**LEFT_OUT, **left_out}), _table({**CONTENT_LEFT_OUT, **content_left_out})
    return {
        name: " ".join(text.split(" ")[:2]) if text.startswith("-") and bare.fullmatch(name) else text
        for name, text in found.items()
        if not absent.fullmatch(name)
    }


def _table(patterns: dict[str, str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))


def changes(upper: Path, base: Path, left_out: Mapping[str, str], content_left_out: Mapping[str, str]) -> dict[str, str]:
    """Return what differs from the base in an overlay's upper directory, each file with its type, mode, owner and content.

    A file that was opened for writing and left as it was is in the upper directory too; it is no change.
    """
    absent, bare = _table({**LEFT_OUT, **left_out}), _table({**CONTENT_LEFT_OUT, **content_left_out})
    found: dict[str, str] = {}
    waiting = [str(upper)]
    while waiting:
        for entry in os.scandir(waiting.pop()):
            name = entry.path[len(str(upper)) + 1 :]
            if absent.fullmatch(name):
                continue
            info = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(info.st_mode):
                waiting.append(entry.path)
            with_content = not bare.fullmatch(name)
            now = _of(entry.path, with_content)
            if now != _of(str(base / name), with_content):
                found[name] = now
    return found


def _of(path: str, with_content: bool) -> str:
    try:
        info = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    content = ""
    if stat.S_ISCHR(info.st_mode) and info.st_rdev == 0:
        return "deleted"
    if stat.S_ISDIR(info.st_mode) and "trusted.overlay.opaque" in os.listxattr(path):
        content = " made anew"
    elif stat.S_ISLNK(info.st_mode):
        content = " -> " + os.readlink(path)
    elif stat.S_ISREG(info.st_mode) and with_content:
        content = " " + hashlib.blake2b(Path(path).read_bytes(), digest_size=16).hexdigest()
    return f"{stat.filemode(info.st_mode)} {info.st_uid}:{info.st_gid}{content}"


def keep(upper: Path, found: dict[str, str], place: Path) -> None:
    """Copy the text of what a run changed, so that a difference can be read after the targets are gone."""
    for name, digest in found.items():
        if digest.startswith("-"):
            data = (upper / name).read_bytes()
            if len(data) < 200_000:
                target = place / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
