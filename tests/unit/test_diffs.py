"""Source patches fit exactly or not at all, and a damaged one is one sentence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mitopatch import body, diffs, fingerprint
from mitopatch.errors import NotApplied

SOURCE = "    def run(self):\n        # a comment\n        one = 1\n\n        two = 2  # another\n        return one + two\n"
OTHER = SOURCE.replace("two = 2", "two = 3")
WORDS = "Target: m:C.run\nWhy: one reason,\n  and another: two\nUpstream: u\nUndo-When: x\n---\n"
MINE = f"Body: {fingerprint.of_source(SOURCE)} 2.16.0-2.16.5, 2.16.7\n"
HEAD = WORDS + MINE
GOOD = HEAD + "@@ -2,1 +2,2 @@\n-1\n+    one = 10\n+    half = 5\n@@ -4,1 +5,1 @@\n-1\n+    return one + two + half\n"


def applied(text: str, source: str = SOURCE) -> list[str]:
    return [line.text for line in diffs.parse("p", text).apply(body.from_text(source))]


def test_applies_exactly_and_keeps_comments() -> None:
    lines = diffs.parse("p", GOOD).apply(body.from_text(SOURCE))
    assert [line.text for line in lines] == [
        "    def run(self):",
        "        # a comment",
        "        one = 10",
        "        half = 5",
        "",
        "        two = 2  # another",
        "        return one + two + half",
    ]
    assert [line.added for line in lines] == [False, False, True, True, False, False, True]


def test_comments_between_lines_that_go_go_too() -> None:
    assert applied(HEAD + "@@ -1,3 +1,1 @@\n-3\n+def run(self):\n") == ["    def run(self):", "        return one + two"]


def test_insertion_stands_before_its_line() -> None:
    lines = applied(HEAD + "@@ -2,0 +2,1 @@\n+    zero = 0\n@@ -4,0 +5,1 @@\n+    three = 3\n")
    assert lines[2:4] == ["        zero = 0", "        one = 1"]
    assert lines[-2:] == ["        three = 3", "        return one + two"]


def test_each_body_has_its_section() -> None:
    other = f"Body: {fingerprint.of_source(OTHER)}\n@@ -3,1 +3,1 @@\n-1\n+    two = 33\n"
    both = diffs.parse("p", GOOD + other)
    assert [line.text for line in both.apply(body.from_text(OTHER)) if line.added] == ["        two = 33"]
    assert next(line.text for line in both.apply(body.from_text(SOURCE)) if line.added) == "        one = 10"
    assert both.sections[0].bodies == {fingerprint.of_source(SOURCE): "2.16.0-2.16.5, 2.16.7"}
    shared = diffs.parse("p", WORDS + MINE + other)
    assert len(shared.sections) == 1
    assert set(shared.fingerprints) == {fingerprint.of_source(SOURCE), fingerprint.of_source(OTHER)}


def test_other_body_is_refused() -> None:
    with pytest.raises(NotApplied, match=f"MP141 .* no section for its body {fingerprint.of_source(OTHER)}"):
        applied(GOOD, OTHER)
    with pytest.raises(NotApplied, match="behind the end"):
        applied(HEAD + "@@ -40,1 +40,1 @@\n-1\n+x\n")
    with pytest.raises(NotApplied, match="behind the end"):
        applied(HEAD + "@@ -4,2 +4,1 @@\n-2\n+x\n")


def test_header_may_go_on_in_the_next_line() -> None:
    assert diffs.parse("p", GOOD).header["Why"] == "one reason, and another: two"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no Target"),
        (GOOD.replace("Why: one reason,\n  and another: two\n", ""), "no Why"),
        (GOOD.replace("Undo-When: x", "Undo-When:"), "no Undo-When"),
        (GOOD.replace("---\n", ""), "no line with ---"),
        (WORDS, "no section"),
        (HEAD, "0 added lines"),
        (WORDS + GOOD.replace(HEAD, ""), "section 1 does not begin with Body"),
        (GOOD.replace(MINE, "Body: 0123 2.16.0\n"), "section 1 does not begin with Body"),
        (GOOD + GOOD.replace(WORDS, ""), "two sections for the body"),
        (GOOD.replace(MINE, MINE + MINE), "two sections for the body"),
        (GOOD.replace("-1\n", "-2\n"), "hunk 1 for .* does not say -1"),
        (GOOD.replace("+    half = 5\n", ""), "1 of 2 added lines"),
        (GOOD.replace("@@ -4,1", "@@ -1,1"), "out of order"),
        (GOOD.replace("@@ -2,1", "@@ -0,1"), "out of order"),
        (GOOD + "upstream's line\n", "hunk 3 for .* does not begin with @@"),
        (HEAD + "@@ -1,0 +1,31 @@\n" + "+x\n" * 31, "31 added lines"),
        (HEAD + "@@ -1,0 +1,1 @@\n+x = 1 + \\\n", "one whole line"),
        (HEAD + '@@ -1,0 +1,2 @@\n+x = """\n+"""\n', "one whole line"),
        ("\udcff", "UnicodeDecodeError"),
    ],
)
def test_damaged_patch_is_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "2.16").mkdir()
    (tmp_path / "2.16" / "series").write_text("# order matters\n10-a.patch  # why\n\n")
    (tmp_path / "2.16" / "10-a.patch").write_text(text, errors="surrogateescape")
    with pytest.raises(NotApplied, match=f"MP140 .*{said}") as refused:
        diffs.load("2.16", str(tmp_path))
    assert "10-a.patch" in refused.value.reason.text
    assert "\n" not in refused.value.reason.text


def test_series_shares_patches(tmp_path: Path) -> None:
    for name in ("common", "2.15", "2.16"):
        (tmp_path / name).mkdir()
    (tmp_path / "common" / "a.patch").write_text(GOOD)
    (tmp_path / "2.16" / "b.patch").write_text(GOOD.replace("m:C.run", "m:C.other"))
    (tmp_path / "2.15" / "series").write_text("../common/a.patch\n")
    (tmp_path / "2.16" / "series").write_text("b.patch\n../common/a.patch\n")
    assert [patch.name for patch in diffs.load("2.15", str(tmp_path))] == ["a.patch"]
    assert [patch.name for patch in diffs.load("2.16", str(tmp_path))] == ["b.patch", "a.patch"]
    (tmp_path / "2.16" / "b.patch").write_text(GOOD)
    with pytest.raises(NotApplied, match=r"MP140 the patch \.\./common/a\.patch .*a second patch for m:C\.run"):
        diffs.load("2.16", str(tmp_path))


def test_series_without_patches() -> None:
    assert diffs.load("2.9") == []
    assert (Path(diffs.folder()) / "README.md").exists()


@pytest.mark.parametrize("kind", ["gone", "folder", "no text"])
def test_patch_that_cannot_be_read(tmp_path: Path, kind: str) -> None:
    (tmp_path / "2.16").mkdir()
    (tmp_path / "2.16" / "series").write_bytes(b"\xff\n" if kind == "no text" else b"a.patch\n")
    if kind == "folder":
        os.mkdir(tmp_path / "2.16" / "a.patch")
    with pytest.raises(NotApplied, match="MP140"):
        diffs.load("2.16", str(tmp_path))
