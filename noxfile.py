"""Chores of the maintainers. Tests are in tox.ini: `tox`."""

from __future__ import annotations

import nox

nox.options.sessions = ["lint"]
nox.options.default_venv_backend = "uv|virtualenv"


@nox.session
def lint(session: nox.Session) -> None:
    """Run the style and type checks of tox.ini's environment, so that there is one list of them."""
    session.install("tox", "tox-uv")
    session.run("tox", "run", "-e", "lint")


@nox.session
def drift(session: nox.Session) -> None:
    """Read every release anew and write the tables of fingerprints; nox -s drift -- --report 2.21 2.22, -- --check, -- 2.22."""
    # Some ansible-core, because the bundles import one; the newest Python at hand can read the source of all of them.
    session.install("pip", "ansible-core", ".")
    session.run("python", "-m", "maintenance.drift", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure plain, mitogen_linear and mitopatch: nox -s bench -- --core 2.16 facts --rounds 10."""
    arguments = list(session.posargs)
    core = ""
    if "--core" in arguments:
        place = arguments.index("--core")
        core = f"=={arguments[place + 1]}.*"
        del arguments[place : place + 2]
    session.install(".", f"ansible-core{core}", "psutil")
    session.run("python", "-m", "tests.bench", *arguments)
