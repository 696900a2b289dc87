"""Making sections: an edited function becomes hunks, hunks are carried only to where they surely belong."""

from __future__ import annotations

import pytest

from mitopatch import body, diffs
from mitopatch.diffs import Section

patches = pytest.importorskip("maintenance.patches", reason="not a checkout")

OLD = "    def run(self):\n        one = 1\n        # why\n        two = 2\n        three = 3\n        return one\n"
MOVED = "    def run(self):\n        zero = 0\n        one = 1\n        two = 2\n        three = 3\n        return one\n"
NEAR = "    def run(self):\n        one = 1\n        two = 2\n        other = 3\n        return one\n"
EDITED = OLD.replace("two = 2\n", "two = 22  # a comment\n        half = 2\n").replace("return one", "self.told()\n        return one")
HEAD = "Target: m:C.run\nWhy: w\nUpstream: u\nUndo-When: x"


def made() -> Section:
    old = body.from_text(OLD)
    return Section({old.fingerprint: "1.0.0"}, patches.edited(old, EDITED))


def test_edited_text_becomes_hunks_and_back() -> None:
    text = patches.written(HEAD, [made()])
    assert text.startswith(
        f"{HEAD}\n---\nBody: {body.from_text(OLD).fingerprint} 1.0.0\n@@ -3,1 +3,2 @@\n-1\n+    two = 22\n+    half = 2\n"
    )
    assert text.endswith("@@ -5,0 +6,1 @@\n+    self.told()\n")
    patch = diffs.parse("p", text)
    assert patch.sections == (made(),)
    applied = "\n".join(line.text for line in patch.apply(body.from_text(OLD))) + "\n"
    assert body.from_text(applied).normal == body.from_text(EDITED).normal


def test_hunks_are_carried_to_the_same_lines() -> None:
    moved = patches.carried(made(), body.from_text(OLD), body.from_text(MOVED))
    assert [hunk.start for hunk in moved.hunks] == [4, 6]
    patch = diffs.parse("p", patches.written(HEAD, [moved]))
    assert [line.text.strip() for line in patch.apply(body.from_text(MOVED)) if line.added] == ["two = 22", "half = 2", "self.told()"]


def test_hunks_are_not_carried_to_lines_with_another_neighbour() -> None:
    assert patches.carried(made(), body.from_text(OLD), body.from_text(NEAR)) is None


def test_refresh_sorts_joins_and_names_what_is_left_out() -> None:
    bodies = {
        found.fingerprint: patches.Seen(found, releases)
        for found, releases in (
            (body.from_text(MOVED), ["1.1.0", "1.1.1", "1.2.1"]),
            (body.from_text(OLD), ["1.0.0", "1.0.1"]),
            (body.from_text(OLD.replace("three = 3", "three = 4")), ["1.2.0"]),
            (body.from_text("    def run(self):\n        return 5\n"), ["1.3.0"]),
        )
    }
    patch = diffs.parse("p", patches.written(HEAD, [made()]))
    sections, lost = patches.refreshed(patch, bodies)
    # In the third body the line behind the first hunk is another one, so it gets nothing.
    assert [list(section.bodies.values()) for section in sections] == [["1.0.0-1.0.1"], ["1.1.0-1.1.1, 1.2.1"]]
    assert sorted(text.partition(" ")[2] for text in lost) == ["(1.2.0)", "(1.3.0)"]


def test_check_names_what_is_wrong() -> None:
    old, moved = body.from_text(OLD), body.from_text(MOVED)
    good = patches.Function({old.fingerprint: patches.Seen(old, ["1.0.0"])}, [])
    patch = diffs.parse("p", patches.written(HEAD, [made()]))
    assert patches.check(patch, good) == []
    both = patches.Function({**good.bodies, moved.fingerprint: patches.Seen(moved, ["1.1.0", "1.1.1"])}, ["1.2.0"])
    assert patches.check(patch, both) == ["p: 1.2.0 has no m:C.run", f"p: 1.1.0, 1.1.1: no section for {moved.fingerprint}"]
    assert "is the body of no release" in patches.check(patch, patches.Function({}, []))[0]
    broken = diffs.parse("p", patches.written(HEAD, [made()]).replace("half = 2", "half ="))
    assert "1.0.0: invalid syntax" in patches.check(broken, good)[0]


def test_every_patch_has_its_users() -> None:
    found = {path.rpartition("/")[2]: series for path, series in patches.users().items()}
    assert found["free-run.patch"][0] == "2.11"
    assert found["get-vars.patch"][-1] == "2.18"
