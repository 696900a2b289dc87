"""An interpreter that starts others is closed to its account, and can start them all the same."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ansible_mitogen.runner", reason="Ansible is not installed, or Mitogen refuses it")

from mitopatch.targets import hops

needs_root = pytest.mark.skipif(os.geteuid() != 0 or not sys.platform.startswith("linux"), reason="becomes another user, on Linux")

#: Becomes another user, after all imports; the kernel then closes the process for a reason of its own.
START = """\
import ctypes, gc, os, resource, subprocess, sys
import mitogen.parent
from mitopatch.targets import hops
prctl = ctypes.CDLL(None).prctl
os.setgid(54321)
os.setuid(54321)
prctl(hops.PR_SET_DUMPABLE, 1, 0, 0, 0)
"""


def account(code: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run this as another user in a directory where that may write."""
    directory.chmod(0o777)
    for parent in directory.parents:
        if parent.owner() == "root" and parent != Path("/") and str(parent) != "/tmp":
            parent.chmod(parent.stat().st_mode | 0o011)
    command = [sys.executable, "-c", START + code]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=directory)


@needs_root
@pytest.mark.parametrize("closed", [True, False])
def test_no_core_is_dumped(closed: bool, tmp_path: Path) -> None:
    """The core of a process has its memory; the account may read it."""
    done = account(
        "resource.setrlimit(resource.RLIMIT_CORE, resource.getrlimit(resource.RLIMIT_CORE)[1:] * 2)\n"
        "pid = os.fork()\n"
        f"if not pid:\n    {'hops.hide()' if closed else 'pass'}\n    os.abort()\n"
        "status = os.waitpid(pid, 0)[1]\n"
        "print(os.WTERMSIG(status), os.WCOREDUMP(status), resource.getrlimit(resource.RLIMIT_CORE)[0])\n",
        tmp_path,
    )
    number, dumped, limit = done.stdout.split()
    if limit == "0":
        pytest.skip("no core is dumped here at all")
    assert (int(number), dumped) == (signal.SIGABRT, str(not closed)), done.stderr


@needs_root
def test_what_it_starts_is_open_and_has_a_terminal(tmp_path: Path) -> None:
    """And none of its descriptors: Python and the C library read /proc/self/fd between fork and exec."""
    done = account(
        "hops.hide()\n"
        "mine = [os.dup(os.open('/dev/null', os.O_RDONLY)) for _ in range(5)]\n"
        "os.set_inheritable(mine[0], True)\n"
        "try:\n    open('/proc/self/environ')\nexcept OSError:\n    print('closed')\n"
        "script = 'ls /proc/self/fd; head -c 1 /proc/self/environ >/dev/null && : > /dev/tty && echo terminal'\n"
        "process = mitogen.parent.hybrid_tty_create_child(['sh', '-c', script])\n"
        "words = b''\n"
        "while b'terminal' not in words:\n    words += os.read(process.stdout.fileno(), 100)\n"
        "print(words.decode().split(), process.proc.wait())\n",
        tmp_path,
    )
    assert done.stdout.splitlines() == ["closed", "['0', '1', '2', '3', 'terminal'] 0"], done.stderr


@needs_root
def test_without_ctypes_it_stays_as_it_was(tmp_path: Path) -> None:
    """And root's, which are closed to others anyway, are not closed to themselves."""
    ask = "print(prctl(3, 0, 0, 0, 0))\n"
    assert account("hops.hide()\n" + ask, tmp_path).stdout == "0\n"
    assert account("sys.modules['ctypes'] = None\nhops.hide()\n" + ask, tmp_path).stdout == "1\n"
    root = START.replace("os.setgid(54321)\nos.setuid(54321)\n", "") + "hops.hide()\n" + ask
    assert subprocess.run([sys.executable, "-c", root], capture_output=True, text=True, timeout=60, check=True).stdout == "1\n"


@needs_root
@pytest.mark.skipif(shutil.which("sudo") is None, reason="needs sudo")
def test_passwords_are_forgotten(router: Any) -> None:
    """Mitogen keeps what a connection was made with."""
    context = router.local(python_path=[sys.executable])
    context.call(hops.init_child, log_level=40, candidate_temp_dirs=(None, router.id_allocator.block_for(context.context_id)))
    sudo = router.sudo(via=context, username="root", python_path=[sys.executable], password="not kept")
    assert sudo.call(os.getuid) == 0
    asked = "[each.password for each in __import__('gc').get_objects() if hasattr(type(each), 'sudo_path')]"
    assert context.call(eval, asked) == [None]
