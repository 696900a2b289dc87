"""Source patches fit exactly or not at all, and a damaged one is one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from mitopatch import diffs, fingerprint
from mitopatch.errors import NotApplied

SOURCE = "    def run(self):\n        # a comment\n        one = 1\n\n        two = 2\n        return one + two\n"
HEAD = f"Target: m:C.run\nFingerprint: {fingerprint.of_source(SOURCE)}\nWhy: w\nUpstream: u\nUndo-When: x\n---\n"
GOOD = HEAD + "@@ -2,1 +2,2 @@\n-1\n+    one = 10\n+    half = 5\n@@ -4,1 +5,1 @@\n-1\n+    return one + two + half\n"


def test_applies_exactly() -> None:
    made = diffs.parse("p", GOOD).apply(SOURCE)
    assert made == "def run(self):\n    one = 10\n    half = 5\n    two = 2\n    return one + two + half\n"


def test_other_body_is_refused() -> None:
    with pytest.raises(NotApplied, match="MP141"):
        diffs.parse("p", GOOD).apply(SOURCE.replace("2", "3"))
    with pytest.raises(NotApplied, match="behind the end"):
        diffs.parse("p", HEAD + "@@ -40,1 +40,1 @@\n-1\n+x\n").apply(SOURCE)


@pytest.mark.parametrize(
    "text",
    [
        "",
        GOOD.replace("Why: w\n", ""),
        GOOD.replace("---\n", ""),
        HEAD,
        GOOD.replace("-1\n", "-2\n"),
        GOOD.replace("+    half = 5\n", ""),
        GOOD.replace("@@ -4,1", "@@ -1,1"),
        HEAD + "@@ -1,0 +1,31 @@\n" + "+x\n" * 31,
        "\udcff",
    ],
)
def test_damaged_patch_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "2.16").mkdir()
    (tmp_path / "2.16" / "series").write_text("# order matters\n10-a.patch  # why\n\n")
    (tmp_path / "2.16" / "10-a.patch").write_text(text, errors="surrogateescape")
    with pytest.raises(NotApplied) as refused:
        diffs.load("2.16", str(tmp_path))
    assert refused.value.reason.code == "MP140"
    assert "10-a.patch" in refused.value.reason.text
    assert "\n" not in refused.value.reason.text


def test_series_without_patches() -> None:
    assert diffs.load("2.16") == []
    assert (Path(diffs.folder()) / "README.md").exists()


def test_missing_patch(tmp_path: Path) -> None:
    (tmp_path / "2.16").mkdir()
    (tmp_path / "2.16" / "series").write_text("gone.patch\n")
    with pytest.raises(NotApplied, match="MP140"):
        diffs.load("2.16", str(tmp_path))
