"""Files that pretend to be modules, for a directory in which an interpreter starts: whoever imports one leaves a trace."""

from __future__ import annotations

import os
from pathlib import Path

#: Not of the standard library, but looked for by modules and by Mitogen.
OTHERS = ("ansible", "ansible_mitogen", "docker", "mitogen", "mitopatch", "selinux", "yaml", "StringIO", "cPickle")
#: Says under whose interpreter it was imported, and is not what it pretends to be.
TEXT = """\
import os, sys
with open({marker!r}, "a") as stream:
    stream.write("%s in %s %s as %d\\n" % (__name__, sys.executable, sys.argv, os.geteuid()))
raise ImportError("not ours")
"""


def names() -> list[str]:
    """Return all names of the standard library that are files or directories, and others."""
    library = Path(os.__file__).parent
    inside = {path.name.partition(".")[0] for path in library.iterdir() if path.suffix == ".py" or path.is_dir()}
    compiled = {path.name.partition(".")[0] for path in (library / "lib-dynload").iterdir()}
    return sorted(name for name in {*inside, *compiled, *OTHERS} - {"os", "sys"} if name.isidentifier())


def files(marker: Path) -> dict[str, str]:
    """Return their paths and texts, every other one a package; each adds a line to this file when it is imported."""
    text = TEXT.format(marker=str(marker))
    return {(f"{name}/__init__.py" if index % 2 else f"{name}.py"): text for index, name in enumerate(names())}
