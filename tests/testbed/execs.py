"""Runs a command and writes down every program that is started below it: ``python execs.py FILE COMMAND...``.

Each exec stops the process that makes it (ptrace) until its arguments and its environment are written: none is missed, however short
it lives. FILE gets a JSON object a line. Exit code: that of the command. Needs Linux, and root where programs are setuid.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from typing import Any

PTRACE_CONT, PTRACE_SEIZE, PTRACE_LISTEN = 7, 0x4206, 0x4208
# Follow fork, vfork and clone; stop after exec.
OPTIONS = 0x2 | 0x4 | 0x8 | 0x10
EVENT_EXEC, EVENT_STOP = 4, 128
WALL = 0x40000000
GROUP_STOPS = (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.restype = ctypes.c_long
LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def ptrace(request: int, pid: int, data: int = 0) -> bool:
    """Say whether it worked: a process that was killed meanwhile is no error."""
    return int(LIBC.ptrace(request, pid, None, data)) != -1


def words(pid: int, name: str) -> list[str]:
    """Return what the process was started with: ``cmdline`` or ``environ``."""
    try:
        with open(f"/proc/{pid}/{name}", "rb") as stream:
            return [word.decode("latin-1") for word in stream.read().split(b"\0")]
    except OSError:  # killed meanwhile
        return []


def begin(command: list[str]) -> int:
    """Start the command in a child that waits until it is watched; return its pid."""
    reading, writing = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            os.close(writing)
            if os.getppid() == parent and os.read(reading, 1):
                os.close(reading)
                os.execvp(command[0], command)
        finally:
            os._exit(127)
    os.close(reading)
    if not ptrace(PTRACE_SEIZE, pid, OPTIONS):
        raise OSError(ctypes.get_errno(), f"ptrace: {os.strerror(ctypes.get_errno())}")
    os.write(writing, b"x")
    os.close(writing)
    return pid


def watch(top: int, stream: Any) -> int:
    """Let all processes go on, write down each exec, and return the wait status of the first process when it has ended."""
    while True:
        try:
            pid, status = os.waitpid(-1, WALL)
        except InterruptedError:
            continue
        if not os.WIFSTOPPED(status):
            if pid == top:
                return status
            continue
        event, signum = status >> 16, os.WSTOPSIG(status)
        if event == EVENT_EXEC:
            stream.write(json.dumps({"pid": pid, "argv": words(pid, "cmdline"), "environ": words(pid, "environ")}) + "\n")
            stream.flush()
            ptrace(PTRACE_CONT, pid)
        elif event == EVENT_STOP and signum in GROUP_STOPS:
            ptrace(PTRACE_LISTEN, pid)
        else:  # a new process, or a signal that is to be delivered
            ptrace(PTRACE_CONT, pid, 0 if event else signum)


def main() -> int:
    """Run the command; hand on the request to end."""
    with open(sys.argv[1], "a", encoding="utf-8") as stream:
        top = begin(sys.argv[2:])
        signal.signal(signal.SIGTERM, lambda *_: os.kill(top, signal.SIGTERM))
        status = watch(top, stream)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    code = main()
    # 128 and the signal's number, as a shell says it.
    sys.exit(code if code >= 0 else 128 - code)
