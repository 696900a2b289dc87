"""Another process of an account: what it can do to the account's processes, by trying.

Run as that account by `setpriv`, from standard input, because it may not read this directory: no imports of ours. Arguments are
"name=text"; whose text it finds in a process it tells of by name. It prints a JSON list.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import sys
from typing import Any

PTRACE_SEIZE, PTRACE_DETACH = 0x4206, 17


def memory(pid: int, secrets: dict[str, bytes]) -> list[str]:
    """Return the names of the texts that stand in the memory of a process; raises OSError if that is not readable."""
    seen = set()
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
        for line in maps:
            match = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if match:
                begin, end = (int(number, 16) for number in match.groups())
                with contextlib.suppress(OSError, ValueError, OverflowError):
                    mem.seek(begin)
                    data = mem.read(end - begin)
                    seen |= {name for name, text in secrets.items() if text in data}
    return sorted(seen)


def environment(pid: int) -> bool:
    """Say whether a process has an environment; raises OSError if that is not readable."""
    with open(f"/proc/{pid}/environ", "rb") as stream:
        return bool(stream.read())


def descriptors(pid: int) -> dict[str, str]:
    """Return what a process has open, those alone that can be opened from outside; raises OSError if that is not told."""
    opened = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        path = f"/proc/{pid}/fd/{name}"
        with contextlib.suppress(OSError):
            link = os.readlink(path)
            os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY))
            opened[name] = link
    return opened


def attach(pid: int) -> bool:
    """Say whether this process can become the debugger of that one."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(PTRACE_SEIZE, pid, None, None):
        return False
    libc.ptrace(PTRACE_DETACH, pid, None, None)
    return True


def attempt(function: Any, *args: Any) -> Any:
    """Return what a function returns, None if it may not do that."""
    try:
        return function(*args)
    except OSError:
        return None


def look(secrets: dict[str, bytes]) -> list[dict[str, Any]]:
    """Try all of it on every other process of this account."""
    seen = []
    for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/status", encoding="utf-8") as status:
                uids = re.search(r"^Uid:\s+(\d+)\s+(\d+)", status.read(), re.M)
            with open(f"/proc/{pid}/cmdline", "rb") as cmdline:
                command = cmdline.read().replace(b"\0", b" ").decode(errors="replace").strip()
            if uids is None or {int(uid) for uid in uids.groups()} != {os.getuid()} or pid == os.getpid() or not command:
                continue
            seen.append({
                "pid": pid,
                "command": command,
                "memory": attempt(memory, pid, secrets),
                "environment": attempt(environment, pid),
                "descriptors": attempt(descriptors, pid),
                "attach": attach(pid),
            })  # fmt: skip
    return seen


if __name__ == "__main__":
    print(json.dumps(look({name: text.encode() for name, _, text in (argument.partition("=") for argument in sys.argv[1:])})))
