"""What playbooks of years are made of, theme by theme, plain and patched: events, outputs, streams, files must agree."""

from __future__ import annotations

from collections import Counter
from typing import Any

from testbed import events
from testbed.compare import assert_same
from testbed.runs import Arm, Bench, Run


def both(bench: Bench, playbook: str, args: list[str], rc: tuple[int, ...], **options: Any) -> tuple[Run, Run]:
    """Run it in both arms; ``rc`` guards against two runs that agree because both stop at once."""
    config = {"defaults": {"forks": 6}}
    arms: tuple[Arm, ...] = ("plain", "mitopatch")
    plain, patched = (bench.run([f"routes/{playbook}", *args], arm, config=config, **options) for arm in arms)
    assert plain.rc in rc, plain.stdout + plain.stderr
    assert_same(plain, patched)
    counts = [Counter(events.clean_text(run.stderr, run.paths).splitlines()) for run in (plain, patched)]
    assert counts[0] == counts[1]
    return plain, patched


def test_keywords(bench: Bench, bundle_active: str) -> None:
    """Batches, orders, run_once, throttle, handlers, loops, blocks, includes: the last play is reached."""
    plain, _ = both(bench, "keywords.yml", [], rc=(0, 2), hosts=1, near=4)
    assert "Fatal in a block" in plain.stdout
