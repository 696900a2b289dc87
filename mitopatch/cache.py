"""[controller, worker] What was computed from a text, kept on disk under the digest of that text.

A directory for this user alone, MITOPATCH_CACHE or ``mitopatch`` below the user's cache directory. Entries are JSON and named by
content, so they are never out of date, two runs may share them, and a damaged one is ignored. Whatever goes wrong here means that
there is no cache: nobody is told, since the result is the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Callable
from typing import Any, Optional, Union

from mitopatch import settings

#: Entries that are kept; the one that was made first goes first.
MOST = 2000


def directory() -> Optional[str]:
    """[controller, worker] The directory, made if need be; None if it is switched off or may be written by somebody else."""
    chosen = settings.read("MITOPATCH_CACHE")
    if chosen.lower() in settings.OFF:
        return None
    base = os.environ.get("XDG_CACHE_HOME", "")
    path = chosen or os.path.join(base if os.path.isabs(base) else os.path.expanduser("~/.cache"), "mitopatch")
    try:
        if not os.path.isdir(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with contextlib.suppress(FileExistsError):
                os.mkdir(path, 0o700)
        found = os.lstat(path)
    except OSError:
        return None
    alone = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077
    return path if alone else None


def remembered(kind: str, text: Union[str, bytes], compute: Callable[[], Any]) -> Any:
    """[controller, worker] What ``compute`` makes of ``text``, from the cache if it is there. Raises what ``compute`` raises.

    ``kind`` names the computation and the version of all that it depends on besides the text. A result that JSON does not give back
    as it was is not kept.
    """
    where = directory()
    if where is None:
        return compute()
    data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    path = os.path.join(where, f"{kind}-{hashlib.sha256(data).hexdigest()}.json")
    with contextlib.suppress(OSError, ValueError):
        with open(path, encoding="utf-8") as file:
            kept = json.load(file)
        # With its name inside: a file that was cut off or changed places is none.
        if isinstance(kept, dict) and kept.get("name") == os.path.basename(path) and "value" in kept:
            return kept["value"]
    value = compute()
    with contextlib.suppress(OSError, ValueError, TypeError):
        _keep(where, path, value)
    return value


def _keep(where: str, path: str, value: Any) -> None:
    text = json.dumps({"name": os.path.basename(path), "value": value})
    if not _same(json.loads(text)["value"], value):
        return
    handle, temporary = tempfile.mkstemp(dir=where)
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    names = os.listdir(where)
    if len(names) > MOST:
        for entry in sorted((os.path.join(where, name) for name in names), key=os.path.getmtime)[:-MOST]:
            os.unlink(entry)


def _same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)
