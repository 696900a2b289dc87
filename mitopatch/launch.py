"""[controller] `mitopatch run -- COMMAND`: an Ansible command with the import hook, where no .pth line may be installed."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import sys
from collections.abc import Sequence

from mitopatch import autoload as _autoload  # noqa: F401 - installs the import hook, as mitopatch.pth does
from mitopatch.errors import Reason

# A script's first line names its interpreter, or /bin/sh if the path is too long for a first line; then the second does.
_INTERPRETER = re.compile(r"^(?:#!\s*|'''exec'\s+)[\"']?(?P<path>/[^\s\"']+)")


def interpreter(script: str) -> str:
    """[cli] The interpreter a console script names, '' if it names none. Raises OSError."""
    with open(script, "rb") as file:
        lines = file.read(4096).decode("utf-8", "replace").splitlines()[:2]
    found = [match["path"] for match in map(_INTERPRETER.match, lines) if match]
    return next((path for path in found if os.path.basename(path) not in ("sh", "env")), "")


def _ours(path: str) -> bool:
    """Is it this environment's interpreter? The folder decides: python, python3 and python3.12 of one environment are links to one file,
    and so are those of all environments made from one Python."""
    return os.path.realpath(os.path.dirname(path)) == os.path.realpath(os.path.dirname(sys.executable))


def run(command: Sequence[str]) -> int:
    """[controller] Run the command in this process with the hook installed and MITOPATCH=on, unless that is set already.

    Returns 127 if there is no such command; raises SystemExit with the command's exit code; a script of another environment
    takes this process's place, as it is.
    """
    name = command[0] if command else ""
    script = shutil.which(name) if name else None
    if script is None:
        print(Reason("MP131", found=name).text, file=sys.stderr)
        return 127
    path = interpreter(script)
    if not path or not _ours(path):
        print(Reason("MP132", found=script, interpreter=path or "none is named").text, file=sys.stderr)
        os.execv(script, [script, *command[1:]])  # noqa: S606 # nosec B606 # the user's own command, no shell
    os.environ.setdefault("MITOPATCH", "on")
    sys.argv = [script, *command[1:]]
    # What `python script` would have put first, in place of the folder of our own script.
    sys.path[0] = os.path.dirname(script)
    runpy.run_path(script, run_name="__main__")
    return 0
