"""[maintenance] What the runs of one release need, in .cache/parity: upstream's sdist, an environment without mitopatch and one with.

    2.16.19-py3.11/sdist/ansible_core-2.16.19/test/integration/targets
    2.16.19-py3.11/plain, .../patched      environments
    wheels                                 what targets install in the sandbox
    programs                               Debian packages of programs that targets want and this machine does not have
    packages                               Debian packages that targets install in the sandbox

All of it comes from the package index by pip and uv (Debian's by apt-get, where there is one), once; only mitopatch is built
anew and installed for each run.
"""

from __future__ import annotations

import glob
import hashlib
import os
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from maintenance.parity.surroundings import Place

ROOT = Path(__file__).parent.parent.parent
CACHE = ROOT / ".cache" / "parity"

# What targets use on the controller, of the releases that upstream's test requirements name. The module pip (up to 2.14) imports
# pkg_resources, which later releases of setuptools do not have.
BESIDE = ("pexpect==4.8.0", "passlib", "bcrypt==4.0.1", "setuptools<81", "wheel")
OWN = ("mitogen>=0.3.54,<0.4", "packaging>=21")
# Several sets, since they name several releases of one package.
WHEELS = (
    ("pexpect==4.8.0", "passlib", "bcrypt==4.0.1"),
    ("pexpect==4.9.0", "jinja2", "packaging", "setuptools", "wheel", "virtualenv", "toml", "tomli", "build", "coverage"),
    ("pexpect==3.3",),
    ("pexpect==3.0",),
)
#: What upstream's test containers have, by the Debian package it is in; unpacked in sandboxes only.
PROGRAMS = {"getfacl": "acl"}
#: What targets install by the name of its Debian package, some of it after they have removed it.
PACKAGES = ("at", "cron", "debconf-utils", "libfaketime", "libuser", "python3-rpm", "rpm", "unzip", "zip")
_ABOUT = "import ansible, sys; print(ansible.__path__[0], sys.base_prefix)"


def interpreter(version: str) -> str:
    """[maintenance] A Python of this version; one of pyenv's too, which answers to its name only where it is selected."""
    pyenv = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    for name in (f"python{version}", *sorted(glob.glob(f"{pyenv}/versions/{version}.*/bin/python"))):
        path = shutil.which(name)
        if path is not None and subprocess.run([path, "-c", ""], check=False, capture_output=True).returncode == 0:
            return path
    raise SystemExit(f"there is no Python {version} on this machine")


def _short(names: Sequence[object]) -> str:
    return hashlib.sha256(repr(names).encode()).hexdigest()[:8]


def _call(*command: str) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd="/", stdin=subprocess.DEVNULL)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


class Places:
    """[maintenance] The places of one release on one Python; made at first use."""

    def __init__(self, release: str, python: str) -> None:
        self.release = release
        self.python = python
        self.folder = CACHE / f"{release}-py{python}"
        self.wheels = CACHE / "wheels"
        self.plain = self._environment("plain")
        self.patched = self._environment("patched")
        self.tree = self._sdist() / "test" / "integration" / "targets"
        self._download_wheels()
        self._download_programs()
        self._download_packages()
        self.base: set[Path] = set()

    def _environment(self, name: str) -> Path:
        path = self.folder / name
        if not (path / "complete").exists():
            shutil.rmtree(path, ignore_errors=True)
            # uv links packages from its cache; pip stays within, for targets that call it.
            _call("uv", "venv", "-q", "--seed", "-p", interpreter(self.python), str(path))
            _call("uv", "pip", "install", "-q", "-p", str(path / "bin/python"), f"ansible-core=={self.release}", *OWN, *BESIDE)
            (path / "complete").touch()
        return path

    def _sdist(self) -> Path:
        folder = self.folder / "sdist"
        found = [path for path in (folder / f"ansible{mark}core-{self.release}" for mark in "_-") if path.is_dir()]
        if found:
            return found[0]
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        pip = str(self.plain / "bin/pip")
        _call(pip, "download", "-q", "--no-deps", "--no-binary", "ansible-core", "-d", str(part), f"ansible-core=={self.release}")
        archive = next(part.glob("*.tar.gz"))
        with tarfile.open(archive) as opened:
            opened.extractall(part)  # noqa: S202 # nosec B202 # upstream's own, whose owners and modes the targets want as they are
        archive.unlink()
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
        return self._sdist()

    def _download_wheels(self) -> None:
        done = self.wheels / f"complete-{_short(WHEELS)}-py{self.python}"
        if not done.exists():
            for names in WHEELS:
                _call(str(self.plain / "bin/pip"), "download", "-q", "-d", str(self.wheels), *names)
            done.touch()

    def _download_programs(self) -> None:
        folder = CACHE / "programs"
        folder.mkdir(exist_ok=True)
        wanted = [package for program, package in PROGRAMS.items() if not shutil.which(program) and not list(folder.glob(f"{package}_*"))]
        if wanted and shutil.which("apt-get"):
            # Without them some targets do not pass plain, and are not compared; no reason to stop here.
            subprocess.run(["apt-get", "-q", "download", *wanted], check=False, capture_output=True, cwd=folder)

    def _download_packages(self) -> None:
        folder = CACHE / "packages"
        done = folder / f"complete-{_short(PACKAGES)}"
        if not done.exists() and shutil.which("apt-get"):
            (folder / "partial").mkdir(parents=True, exist_ok=True)
            # With what they depend on, and what is installed here too; without them some targets do not pass plain, as above.
            command = ["apt-get", "-q", "-y", "--download-only", "--reinstall", "-o", f"Dir::Cache::archives={folder}", "install"]
            if subprocess.run([*command, *PACKAGES], check=False, capture_output=True).returncode == 0:
                done.touch()

    def install(self) -> str:
        """[maintenance] Build mitopatch from this checkout into the patched environment; what `mitopatch status` says there."""
        python = str(self.patched / "bin/python")
        _call("uv", "pip", "install", "-q", "-p", python, "--reinstall-package", "mitopatch", "--no-deps", str(ROOT))
        environment = {"PATH": f"{self.patched}/bin:/usr/bin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8", "MITOPATCH": "on"}
        done = subprocess.run(
            [str(self.patched / "bin/mitopatch"), "status"], env=environment, check=False, capture_output=True, text=True, cwd="/"
        )
        if done.returncode or "active here    yes" not in done.stdout:
            raise SystemExit(f"mitopatch would not be active:\n{done.stdout}{done.stderr}")
        return done.stdout

    def place(self, environment: Path) -> Place:
        """[maintenance] What a script has to know of one of the two environments."""
        package, base = _call(str(environment / "bin/python"), "-c", _ABOUT).split()
        self.base.add(Path(base))
        return Place(self.release, self.python, environment, Path(package), self.tree, self.wheels, CACHE / "programs", CACHE / "packages")

    def overlaid(self) -> list[Path]:
        """[maintenance] The folders that a sandbox is given at their own paths: its /root is empty, and it has no other file systems."""
        return [path for path in (*sorted(self.base), CACHE) if not path.is_relative_to("/usr")]


def mitogen_version(environment: Path) -> Optional[str]:
    """[maintenance] The release of Mitogen in an environment."""
    return _call(str(environment / "bin/python"), "-c", "import importlib.metadata as m; print(m.version('mitogen'))").strip() or None
