"""The pure parts of the parity harness: aliases, the choice of targets, the script of a target, known failures, the report."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

known = pytest.importorskip("maintenance.parity.known", reason="not a checkout")
report = pytest.importorskip("maintenance.parity.report", reason="not a checkout")
surroundings = pytest.importorskip("maintenance.parity.surroundings", reason="not a checkout")
targets = pytest.importorskip("maintenance.parity.targets", reason="not a checkout")
command = pytest.importorskip("maintenance.parity.__main__", reason="not a checkout")

SERIES = ("2.16", "2.18")
ENTRY = {"target": "copy", "series": ["2.16"], "reason": "It differs.", "note": "Nobody knows why."}


def make_target(tree: Path, name: str, aliases: str = "", runme: bool = False) -> None:
    (tree / name / "tasks").mkdir(parents=True)
    (tree / name / "tasks/main.yml").write_text("[]\n")
    (tree / name / "aliases").write_text(aliases)
    if runme:
        (tree / name / "runme.sh").write_text("#!/bin/sh\n")


# -- targets ----------------------------------------------------------------------------------------------------------


def test_aliases_are_lines_without_comments_and_closing_slashes() -> None:
    text = "shippable/posix/group1  \n# a comment\n\nneeds/root # why\ngather_facts/no/\n"
    assert targets.aliases(text) == ("shippable/posix/group1", "needs/root", "gather_facts/no")


def test_setup_targets_come_once_before_always() -> None:
    assert targets.setups(["setup/always/b", "posix", "setup/once/a"]) == ("a", "b")


def test_environment_variables_of_aliases() -> None:
    assert targets.settings(["env/set/A/b/c", "env/set/incomplete", "posix"]) == {"A": "b/c"}


@pytest.mark.parametrize(
    ("name", "aliases", "expected"),
    [
        ("copy", ("shippable/posix/group1", "destructive"), True),
        ("copy", ("needs/target/cloud",), True),
        ("get_url", ("needs/httptester",), False),
        ("copy", ("disabled/yes",), False),
        ("ios_file", ("network/ios",), False),
        ("slurp", ("shippable/windows/group1",), False),
        ("win_copy", (), False),
        ("setup_passlib", (), False),
    ],
)
def test_what_can_be_run_without_network(name: str, aliases: tuple[str, ...], expected: bool) -> None:
    assert targets.runs_here(name, aliases) is expected


def test_the_choice_of_targets(tmp_path: Path) -> None:
    for name, aliases in (("copy", ""), ("ping", ""), ("hidden_one", "hidden\n")):
        make_target(tmp_path, name, aliases)
    (tmp_path / "no_target").mkdir()
    assert targets.chosen(tmp_path, [], False) == ["ping"]
    assert targets.chosen(tmp_path, [], True) == ["copy", "ping"]
    assert targets.chosen(tmp_path, ["hidden_one", "copy", "copy"], False) == ["hidden_one", "copy"]
    with pytest.raises(ValueError, match="no_target, nothing"):
        targets.chosen(tmp_path, ["copy", "no_target", "nothing"], False)


def test_the_curated_list_has_no_name_twice() -> None:
    assert len(set(targets.CURATED)) == len(targets.CURATED)


# -- the script -------------------------------------------------------------------------------------------------------


def a_place(tree: Path) -> Any:
    paths = (Path("/an environment"), Path("/an environment/ansible"), tree, Path("/wheels"), Path("/programs"), Path("/packages"))
    return surroundings.Place("2.16.7", "3.11", *paths)


def test_a_script_is_good_bash_and_runs_what_sets_up_first(tmp_path: Path) -> None:
    tree = tmp_path / "test/integration/it's a tree"
    make_target(tree, "copy", "setup/once/before\ngather_facts/no\nenv/set/ONE/of its own\n")
    make_target(tree, "before", runme=True)
    script = surroundings.script(a_place(tree), "copy", {"MITOPATCH": "on"})
    checked = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, timeout=30, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert script.index("./runme.sh -v") < script.index("ansible-playbook copy-parity.yml")
    assert '"gather_facts": false' in script


def test_a_target_that_needs_ssh_gets_it(tmp_path: Path) -> None:
    tree = tmp_path / "test/integration/targets"
    make_target(tree, "fetch", "needs/ssh\n")
    make_target(tree, "ping")
    assert "ansible_connection=ssh ansible_host=localhost" in surroundings.script(a_place(tree), "fetch", {})
    assert "ansible_connection=local" in surroundings.script(a_place(tree), "ping", {})


def test_a_target_with_a_collection_finds_it(tmp_path: Path) -> None:
    tree = tmp_path / "test/integration/targets"
    make_target(tree, "of-its-own")
    (tree / "of-its-own/ansible_collections/ansible_test/of_its_own").mkdir(parents=True)
    make_target(tree, "others")
    (tree / "others/ansible_collections/ns/others").mkdir(parents=True)
    assert f"ANSIBLE_COLLECTIONS_PATH={tree / 'of-its-own'}" in surroundings.script(a_place(tree), "of-its-own", {})
    assert "ANSIBLE_COLLECTIONS_PATH" not in surroundings.script(a_place(tree), "others", {})


def test_what_is_asked_for_wins_in_the_environment(tmp_path: Path) -> None:
    place = a_place(tmp_path / "test/integration/targets")
    found = surroundings.environment(place, ("env/set/PAGER/less", "env/set/B/1"), {"B": "2"})
    assert (found["PAGER"], found["B"], found["ANSIBLE_TEST_PYTHON_VERSION"]) == ("less", "2", "3.11")
    assert found["ANSIBLE_LIBRARY"] == "/dev/null"


# -- known failures ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change", [{"reason": ""}, {"note": None}, {"series": []}, {"target": ""}, {"seris": ["2.16"]}], ids=lambda change: next(iter(change))
)
def test_an_entry_says_everything(change: dict[str, Any]) -> None:
    assert known.read({"failure": [ENTRY]}) == [known.Known("copy", ("2.16",), "It differs.", "Nobody knows why.")]
    with pytest.raises(ValueError, match="known failure 1"):
        known.read({"failure": [{**ENTRY, **change}]})


def entries(*series: str) -> list[Any]:
    return known.read({"failure": [{**ENTRY, "series": list(series)}]})


def test_the_file_by_itself() -> None:
    assert list(known.complaints(entries("2.16", "2.18"), SERIES)) == []
    assert len(list(known.complaints(entries("2.16", "2.7"), SERIES))) == 1
    assert len(list(known.complaints([*entries("2.16"), *entries("2.18", "2.16")], SERIES))) == 1


@pytest.mark.parametrize(
    ("series", "existing", "ran", "words"),
    [
        (("2.16",), {"copy"}, {"copy": (True, False)}, []),
        (("2.16",), {"copy"}, {}, []),  # not run: nothing is known
        (("2.16",), {"copy"}, {"copy": (True, True)}, ["and passes"]),
        (("2.16",), {"copy"}, {"copy": (False, False)}, ["does not pass with plain"]),
        (("2.16",), {"ping"}, {}, ["no such target"]),
        (("2.18",), {"copy"}, {"copy": (True, False)}, ["fails with mitopatch"]),
        (("2.18",), {"copy"}, {"copy": (True, True), "ping": (False, False)}, []),
    ],
)
def test_a_run_is_judged_both_ways(series: tuple[str, ...], existing: set[str], ran: dict[str, Any], words: list[str]) -> None:
    found = list(known.judge(entries(*series), "2.16", existing, ran))
    assert len(found) == len(words)
    assert all(word in complaint for word, complaint in zip(words, found))


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib")
def test_the_file_of_this_checkout_can_be_read() -> None:
    from mitopatch.versions import SUPPORTED

    assert list(known.complaints(known.load(), [row.series for row in SUPPORTED])) == []


# -- the report -------------------------------------------------------------------------------------------------------


def row(plain: str, patched: str, engaged: bool = True, **more: Any) -> dict[str, Any]:
    return {
        "date": "2026-01-02", "plain": plain, "plain_seconds": 2.0, "patched": patched, "patched_seconds": 1.0, "engaged": engaged, **more,
    }  # fmt: skip


ABOUT = {"release": "2.16.7", "python": "3.11", "mitogen": "0.3.54"}


def test_a_run_renews_its_own_rows() -> None:
    table = report.merged({}, "2.16", ABOUT, {"b": row("pass", "fail", why="x"), "a": row("pass", "pass")})
    table = report.merged(table, "2.9", {**ABOUT, "release": "2.9.1"}, {})
    table = report.merged(table, "2.16", ABOUT, {"b": row("pass", "pass")})
    assert list(table) == ["2.9", "2.16"]
    assert list(table["2.16"]["targets"]) == ["a", "b"]
    assert table["2.16"]["targets"]["b"]["patched"] == "pass"


def test_another_release_begins_anew() -> None:
    table = report.merged({}, "2.16", ABOUT, {"a": row("pass", "pass")})
    table = report.merged(table, "2.16", {**ABOUT, "release": "2.16.8"}, {"b": row("pass", "pass")})
    assert list(table["2.16"]["targets"]) == ["b"]


def test_the_page_names_what_fails_what_is_not_compared_and_where_no_worker_was() -> None:
    rows = {
        "copy": row("pass", "fail", why="no reason"),
        "file": row("pass", "fail", why="no reason"),
        "ping": row("pass", "retry"),
        "roles": row("pass", "pass"),
        "config": row("pass", "pass", engaged=False),
        "uri": row("fail", "not run", engaged=False),
    }
    text = report.page(report.merged({}, "2.16", ABOUT, rows), entries("2.16"))
    assert "| 2.16 | 2.16.7 | 3.11 | 0.3.54 | 2026-01-02 | 5 | 3 | 4 | 4 | 2 |" in text
    assert "- 2.16 copy: It differs. Nobody knows why." in text
    assert "- 2.16 file: no reason" in text
    assert "- 2.16 ping: passed at the second try only" in text
    assert "- 2.16: uri\n" in text
    assert "- 2.16: config\n" in text


def test_why_a_target_failed_is_the_last_telling_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("fatal: one\n...ignoring\nok\nfatal:   two  words\n\nPLAY RECAP\n")
    assert command.why(log) == "fatal: two words PLAY RECAP"
    log.write_text("a\nb\nc\0\0\nd\n")
    assert command.why(log) == "b c d"


def test_names_of_releases() -> None:
    assert command.release_of("2.16.7") == ("2.16", "2.16.7", "3.11")
    assert command.release_of("2.16.7-py312") == ("2.16", "2.16.7", "3.12")
    series, release, _python = command.release_of("2.16")
    assert (series, release.rpartition(".")[0]) == ("2.16", "2.16")
    for word in ("2.16.999", "", "devel"):
        with pytest.raises(ValueError, match="no supported"):
            command.release_of(word)


def test_nothing_of_the_callers_environment_is_passed_on(tmp_path: Path) -> None:
    tree = tmp_path / "test/integration/targets"
    make_target(tree, "ping")
    assert "env -i " in surroundings.script(a_place(tree), "ping", {})
