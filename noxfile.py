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
    """Compare the patched functions of two ansible-core series: nox -s drift -- 2.19 2.21."""
    session.install("packaging")
    session.run("python", "maintenance/drift.py", *session.posargs)


@nox.session(name="new-core")
def new_core(session: nox.Session) -> None:
    """Begin the support of a new ansible-core series: nox -s new-core -- 2.22."""
    session.install("-e", ".", "ansible-core", "pip")
    session.run("python", "-m", "maintenance.new_core", *session.posargs)


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
