"""Chores of the maintainers. Tests are in tox.ini: `tox`."""

from __future__ import annotations

import contextlib
import glob
import os
import subprocess
import sys
from typing import Optional

import nox

# nox runs this file by its path.
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from maintenance.realcontent.contents import CONTENTS
from mitopatch.versions import SUPPORTED

nox.options.sessions = ["lint"]
nox.options.default_venv_backend = "uv|virtualenv"


@nox.session
def lint(session: nox.Session) -> None:
    """Run the style and type checks of tox.ini's environment, so that there is one list of them."""
    session.install("tox", "tox-uv")
    session.run("tox", "run", "-e", "lint")


@nox.session
def audit(session: nox.Session) -> None:
    """Ask for known vulnerabilities of all that users and maintainers install; fails, too, if no service can be asked."""
    session.install("pip-audit>=2.7", ".[test,lint,demo]")
    session.run("python", "-m", "maintenance.audit", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Send a worker a hundred thousand made-up messages of a target: nox -s fuzz [-- 1000000]."""
    number, *_ = [*session.posargs, "100000"]
    session.install(".", "ansible-core", "hypothesis", "pytest", "psutil")
    session.run("python", "-m", "pytest", "-q", "tests/hostile/test_frames.py", env={"MITOPATCH_FUZZ": number})


def _newest_python() -> Optional[str]:
    """A Python that can read the source of every release; one of pyenv's too, which answers to its name only where it is selected."""
    pyenv = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    for version in ("3.14", "3.13", "3.12"):
        for name in (f"python{version}", *sorted(glob.glob(f"{pyenv}/versions/{version}.*/bin/python"))):
            with contextlib.suppress(OSError):
                if subprocess.run([name, "-c", ""], check=False, capture_output=True).returncode == 0:
                    return name
    return None


@nox.session(python=_newest_python())
def drift(session: nox.Session) -> None:
    """Read every release anew and write the tables of fingerprints; nox -s drift -- --report 2.21 2.22, -- --check, -- 2.22."""
    # Some ansible-core, because the bundles import one; and a Python that can read the source of every release.
    session.install("pip", "ansible-core", ".")
    session.run("python", "-m", "maintenance.drift", *session.posargs)


@nox.session(name="new-core", python=_newest_python())
def new_core(session: nox.Session) -> None:
    """Begin the support of a new ansible-core series: nox -s new-core -- 2.22."""
    session.install("pip", "ansible-core", ".")
    session.run("python", "-m", "maintenance.new_core", *session.posargs)


@nox.session(venv_backend="none")
def matrix(session: nox.Session) -> None:
    """Write what follows from the table of supported series into tox.ini and README.md; tests/meta says when."""
    for name in ("environments", "readme"):
        session.run("python3", "-m", f"maintenance.{name}", external=True)


@nox.session(name="matrix-all")
def matrix_all(session: nox.Session) -> None:
    """Test every release and write docs/compatibility.*: nox -s matrix-all [-- --only 2.16 --jobs 4 --fresh]."""
    session.install("tox", "tox-uv", "build")
    session.run("python", "-m", "maintenance.matrix", *session.posargs)


@nox.session(python=_newest_python())
def parity(session: nox.Session) -> None:
    """Run ansible-core's own integration targets plain and through mitopatch: nox -s parity -- 2.16 [targets...]; as root."""
    session.install("packaging", "uv")
    session.run("python", "-m", "maintenance.parity", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure plain, mitogen_linear and mitopatch: nox -s bench -- --core 2.16 facts --rounds 10, or -- --page, -- --list."""
    arguments = list(session.posargs)
    core = ""
    if "--core" in arguments:
        place = arguments.index("--core")
        core = f"=={arguments[place + 1]}.*"
        del arguments[place : place + 2]
    session.install(".", f"ansible-core{core}", "psutil")
    session.run("python", "-m", "tests.bench", *arguments)


def _after(option: str, default: str) -> str:
    """The word after this option on the command line: a session's Python must be known before it begins."""
    return sys.argv[sys.argv.index(option) + 1] if option in sys.argv[:-1] else default


#: The `ansible` package that brings this series and its collections.
ANSIBLE = {"2.14": 7, "2.15": 8, "2.16": 9, "2.17": 10, "2.18": 11, "2.19": 12, "2.20": 13, "2.21": 14}
SERIES = _after("--series", "2.16")


@nox.session(python=next((row.pythons[1] for row in SUPPORTED if row.series == SERIES), None))
def real(session: nox.Session) -> None:
    """Run a public role set on Debian chroots, plain and patched, as root: nox -s real -- debops [--series 2.16 --bench 1,4,16]."""
    arguments = list(session.posargs)
    if "--series" in arguments:
        place = arguments.index("--series")
        del arguments[place : place + 2]
    requirements = {name: CONTENTS[name].requirements for name in arguments if name in CONTENTS}
    session.install(".", f"ansible=={ANSIBLE[SERIES]}.*", "psutil", *(more for found in requirements.values() for more in found))
    session.run("python", "-m", "maintenance.realcontent", *arguments)
