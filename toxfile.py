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
    """Define the words in braces that tox.ini uses: {core}, {core_jinja2}, {core_python} and {core_tests}."""
    name = env_conf.name
    found = environments.environment(name)
    if found is None and name.startswith("core"):
        raise HandledError(f"{name}: no supported release of ansible-core, or not on this Python (see the head of tox.ini)")
    row = environments.here(sys.version_info[:2]) if found is None else found.row
    words = {
        "core": f"{row.series}.*" if found is None else found.release,
        "core_jinja2": environments.JINJA2.get(row.series, ""),
        "core_python": sys.executable if found is None else f"python{found.python}",
        "core_tests": environments.SHORT if found and found.short else "",
    }
    for word, value in words.items():
        env_conf.add_config(word, str, value, f"what the name {name} means for tox.ini")
