"""What the source patches touch, plain and patched, with many and with few forks: the same events, results, files."""

from __future__ import annotations

import pytest
from testbed.compare import assert_same
from testbed.runs import Bench


@pytest.mark.parametrize(("forks", "merge"), [(10, "replace"), (2, "merge")])
def test_agrees(bench: Bench, bundle_active: str, forks: int, merge: str) -> None:
    """Few forks keep hosts blocked behind each other, many keep all in flight; merging looks into the facts."""
    config = {"defaults": {"forks": forks, "hash_behaviour": merge}}
    plain, patched = (bench.run(["edits.yml"], arm, config=config) for arm in ("plain", "mitopatch"))
    assert plain.rc in (2, 4), plain.stdout + plain.stderr
    assert "And again" in plain.stdout
    assert_same(plain, patched)
