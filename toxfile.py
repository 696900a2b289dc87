"""tox reads this file by itself: it tells tox which core... environments there are, and tox.ini what their names mean."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from tox.config.sets import EnvConfigSet
from tox.plugin import impl
from tox.report import HandledError
from tox.session.state import State

from maintenance import environments


@impl
def tox_extend_envs() -> Iterable[str]:
    """Make the names known; without this tox would take a mistyped one for a new environment."""
    return environments.names()


@impl
def tox_add_env_config(env_conf: EnvConfigSet, state: State) -> None:
    """Define the words in braces that tox.ini uses: {core}, {core_python} and {core_tests}."""
    name = env_conf.name
    core, base, tests = "", sys.executable, ""
    found = environments.environment(name)
    if found is not None:
        core, base, tests = found.release, f"python{found.python}", environments.SHORT if found.short else ""
    elif name.startswith("core"):
        raise HandledError(f"{name}: no such release of ansible-core, or not on this Python (see the head of tox.ini)")
    elif name == "here":
        row = environments.here(sys.version_info[:2])
        core = f"{row.series}.*" if row else ""
    env_conf.add_config("core", str, core, "ansible-core that is installed")
    env_conf.add_config("core_python", str, base, "the Python that goes with it")
    env_conf.add_config("core_tests", str, tests, "what is run where the command line names nothing")
