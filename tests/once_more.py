"""Runs pytest: python -m tests.once_more ARGUMENTS. In CI, tests that failed are tried once more, alone, and named FLAKY if they pass then.

A busy machine can fail one test of two thousand. Whoever reads the log sees which, and a test that is named twice is to be mended.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

#: More failures than these are no chance.
MOST = 5
FAILED = 1


def failed(cache: Path) -> list[str]:
    """The tests that failed in the last run with this cache."""
    path = cache / "v/cache/lastfailed"
    return sorted(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else []


def main(arguments: Sequence[str], cache: Path, in_ci: bool) -> int:
    shutil.rmtree(cache, ignore_errors=True)
    pytest = [sys.executable, "-m", "pytest", "-o", f"cache_dir={cache}", *arguments]
    status = subprocess.run(pytest, check=False).returncode
    names = failed(cache)
    if not in_ci or status != FAILED or not 0 < len(names) <= MOST:
        return status
    print(f"failed, tried once more: {', '.join(names)}", flush=True)
    alone = ["-n0"] if "-n" in arguments else []
    status = subprocess.run([*pytest, "--last-failed", "--last-failed-no-failures=none", *alone], check=False).returncode
    if status == 0:
        print("".join(f"FLAKY {name}\n" for name in names), end="", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Path(os.environ.get("TOX_ENV_DIR", ".tox")) / "pytest-cache", bool(os.environ.get("CI"))))
