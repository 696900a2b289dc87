"""[any process] The switches: one table that feeds the code, `mitopatch --help` and the README.

Values are read when asked for, not at import, so that a test or an embedding program may change the environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple, Optional

from mitopatch.errors import Reason

ON = ("on", "1", "yes", "true")
OFF = ("off", "0", "no", "false")


class Switch(NamedTuple):
    """[any process] One environment variable; ``values`` is empty where any text is allowed."""

    name: str
    values: tuple[str, ...]
    default: str
    help: str


SWITCHES: tuple[Switch, ...] = (
    Switch("MITOPATCH", ("on", "off"), "", "switch everything on or off; wins over ansible.cfg"),
    Switch(
        "MITOPATCH_UNKNOWN",
        ("fallback", "nearest", "error"),
        "fallback",
        "a release without a verified bundle: run plain, try the nearest bundle under the same checks, or stop before the first task",
    ),
    Switch("MITOPATCH_WORKERS", (), "", "number of worker processes; default: one per CPU core this process may use"),
    Switch("MITOPATCH_FORK_ACTIONS", (), "", "comma-separated actions that always run in a process of their own, as in plain Ansible"),
    Switch(
        "MITOPATCH_CACHE", (), "", "directory for what need not be computed twice, or off; default: mitopatch in the user's cache directory"
    ),
    Switch("MITOPATCH_PIDFILE", (), "", "a file to which each worker that starts appends a line 'worker INDEX PID'"),
    Switch(
        "MITOPATCH_CHECK",
        ("0", "1", "all"),
        "0",
        "compare the variables of every host-task between worker and controller and stop at a difference; 1 looks behind hostvars "
        "for up to 16 hosts, all for any number. Slow: for tests",
    ),
    Switch("MITOPATCH_DEBUG", ("0", "1"), "0", "print tracebacks of mitopatch's own failures on stderr"),
)
_BY_NAME = {switch.name: switch for switch in SWITCHES}


def read(name: str, environ: Optional[Mapping[str, str]] = None) -> str:
    """[any process] The value of a switch, lower-cased if it has a fixed set of values; its default if unset or not allowed.

    Raises KeyError for a name that is not in `SWITCHES`, so that no switch exists outside the table.
    """
    switch = _BY_NAME[name]
    found = (os.environ if environ is None else environ).get(name, "").strip()
    if not switch.values:
        return found or switch.default
    return found.lower() if found.lower() in switch.values else switch.default


def problem(name: str, environ: Optional[Mapping[str, str]] = None) -> Optional[Reason]:
    """[any process] The complaint about a value that is not allowed, or None. An empty value counts as unset."""
    switch = _BY_NAME[name]
    found = (os.environ if environ is None else environ).get(name, "").strip()
    allowed = ON + OFF if name == "MITOPATCH" else switch.values
    if not found or not switch.values or found.lower() in allowed:
        return None
    return Reason("MP120", name=name, found=found, source="environment", wanted=", ".join(switch.values), used=switch.default or "off")


def flag(name: str, environ: Optional[Mapping[str, str]] = None) -> bool:
    """[any process] A yes-or-no switch; anything that does not mean yes is no."""
    found = (os.environ if environ is None else environ).get(_BY_NAME[name].name, "").strip().lower()
    return found in ON


def truth(text: str) -> Optional[bool]:
    """[any process] on/off words as a bool, None for any other word."""
    word = text.strip().lower()
    if word in ON:
        return True
    return False if word in OFF else None


def help_text() -> str:
    """[cli] The table as lines for ``--help``."""
    lines = []
    for switch in SWITCHES:
        values = "|".join(switch.values) or "TEXT"
        lines.append(f"  {switch.name}={values}" + (f"  (default {switch.default})" if switch.default else ""))
        lines.append(f"      {switch.help}")
    return "\n".join(lines)
