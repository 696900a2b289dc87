"""Modules run inside Mitogen's interpreter, or the upstream way where that would show: plain and patched agree."""

from __future__ import annotations

import stat

from testbed.compare import assert_same
from testbed.runs import Bench


def test_agrees(bench: Bench, bundle_active: str) -> None:
    """How modules start, fail and answer."""
    plain, patched = (bench.run(["modules.yml"], arm, hosts=2, near=1) for arm in ("plain", "mitopatch"))
    assert plain.rc == 0, plain.stdout + plain.stderr
    assert_same(plain, patched)
    # Made for the first task that needs it, not on connecting.
    assert not [run.directory for run in (plain, patched) if (run.directory / "home" / ".ansible" / "tmp").exists()]
    modes = [stat.filemode((run.directory / "remote_tmp").stat().st_mode) for run in (plain, patched)]
    assert modes == ["drwx------"] * 2
