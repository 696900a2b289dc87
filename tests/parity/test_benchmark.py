"""The benchmarks still run: the smallest workload, once, in the arm that is ours. What it costs is no assertion."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_smallest_workload_runs(bundle_active: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.bench", "startup", "--tiny", "--rounds", "1", "--arms", "mitopatch", "--output", str(tmp_path)]
    done = subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{bundle_active}: {done.stdout}{done.stderr}"
    assert "CPU [s]: mitopatch " in done.stdout, done.stdout
    assert not list(tmp_path.iterdir()), "a tiny run is no record"
