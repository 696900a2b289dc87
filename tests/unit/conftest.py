"""Releases of an ansible-core that never was, as wheel, sdist and directory."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path
from typing import Callable

import pytest

RELEASE = "2.16.3"
SOURCES = {
    "ansible/release.py": f"__version__ = '{RELEASE}'\n__author__ = 'nobody'\n",
    "ansible/__init__.py": "",
    "ansible/base.py": """\
from collections.abc import Mapping
from multiprocessing import Process


class Root(Process):
    def __init__(self, one, *, two=2):
        self.one = one

    def shared(self, a):
        return "root"


class Mixin(Root):
    pass
""",
    "ansible/plugins/__init__.py": "from ..base import Root\n\nCONSTANT = 3\n",
    "ansible/plugins/strategy/__init__.py": '''\
import os.path
import time
from ansible import base
from ansible.base import Root as Renamed
from ansible.plugins import Root
from . import free

try:
    from json import dumps
except ImportError:
    dumps = None

Alias = base.Mixin
loop = loop


class Strategy(base.Mixin, Renamed):
    @staticmethod
    def run(iterator, *rest, key=None, **more):  # upstream's comment
        """Text."""
        return iterator

    again = run

    if True:
        def chosen(self):
            return 1
    else:
        def chosen(self, other):
            return 2
''',
    "ansible/plugins/strategy/free.py": "from .. import Root\nfrom ansible.plugins.strategy import Strategy\n",
    "ansible/modules/ping.py": "this is not read\n",
}
METADATA = "Metadata-Version: 2.1\nName: ansible-core\nVersion: 2.16.3\n" + "".join(
    f"Classifier: Programming Language :: Python :: {python}\n" for python in ("3", "3.10", "3.11", "3 :: Only")
)


def wheel(folder: Path, sources: dict[str, str], metadata: str = METADATA) -> Path:
    path = folder / f"ansible_core-{RELEASE}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in sources.items():
            archive.writestr(name, text)
        archive.writestr(f"ansible_core-{RELEASE}.dist-info/METADATA", metadata)
        archive.writestr(f"ansible_core-{RELEASE}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"ansible_core-{RELEASE}.dist-info/RECORD", "")
    return path


def sdist(folder: Path, sources: dict[str, str], metadata: str = METADATA, **more: str) -> Path:
    top = f"ansible-core-{RELEASE}"
    path = folder / f"{top}.tar.gz"
    files = {**{f"lib/{name}": text for name, text in sources.items()}, "PKG-INFO": metadata, **more}
    # As in upstream's: a copy of other sources further down that must not be taken for the release.
    files["test/support/lib/ansible/release.py"] = "__version__ = '0'\n"
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"{top}/{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return path


def directory(folder: Path, sources: dict[str, str], under: str = "") -> Path:
    for name, text in sources.items():
        path = folder / under / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


KINDS: dict[str, Callable[[Path, dict[str, str]], Path]] = {
    "wheel": wheel,
    "sdist": sdist,
    "checkout": lambda folder, sources: directory(folder, sources, "lib"),
    "site-packages": directory,
    "package": lambda folder, sources: directory(folder, sources) / "ansible",
}


@pytest.fixture(params=list(KINDS))
def any_release(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The made-up release in each of the shapes that are read."""
    return KINDS[request.param](tmp_path, SOURCES)
