"""[worker] Which action plugins change or use what belongs to a whole process: they get one of their own, as in plain Ansible.

In a fork of its own a plugin may change the environment, the directory or the umask, replace a standard stream, take a signal
or talk to the terminal; on a thread it would do so to the tasks beside it. The plugin's text tells, before it begins.
"""

from __future__ import annotations

import os
import re
import sys

import ansible

_UPSTREAM = os.path.dirname(ansible.__file__) + os.sep
#: Upstream's own actions that talk to the terminal: so do those derived from them.
_PROMPTING = frozenset({"ansible.plugins.action.pause"})
_SIGNS = re.compile(
    r"""
    \bos\.environ(b?\[[^\]]*\]\s*=(?!=) | \.(update|pop|popitem|setdefault|clear)\b)
    | \bdel\s+os\.environ\b
    | \bos\.(chdir|fchdir|chroot|umask|putenv|unsetenv|set(e|re|res)?[ug]id|setsid|nice|_exit|abort|fork|dup2|closerange)\b
    | \bsys\.(exit\b | std(in|out|err)\s*=(?!=))
    | \bredirect_std(out|err)\b
    | \bsignal\.(signal|alarm|setitimer|pthread_sigmask)\b
    | \b(setlocale|setrlimit)\b
    | (?<![\w.])input\(
    | \b(getpass\.getpass|prompt_until|do_var_prompt)\b
    | \bdisplay\.prompt\b
    """,
    re.VERBOSE,
)
_known: dict[str, bool] = {}


def concerns(action: type) -> bool:
    """Whether this action plugin, or one that it is derived from, has to have a process of its own."""
    return any(_module_concerns(base.__module__) for base in action.__mro__)


def _module_concerns(name: str) -> bool:
    if name in _PROMPTING:
        return True
    path = getattr(sys.modules.get(name), "__file__", None)
    if path is None or path.startswith(_UPSTREAM):
        return False
    if path not in _known:
        try:
            with open(path, encoding="utf-8", errors="replace") as source:
                _known[path] = _SIGNS.search(source.read()) is not None
        except OSError:
            _known[path] = False  # compiled only: nobody can tell
    return _known[path]
