"""`nox -s new-core`: a series is taken out of a copy of the checkout, the recipe puts it back; and one that does not exist yet."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable

import pytest

from mitopatch import release, select, versions
from mitopatch.declare import Bundle, Relies
from tests.bundle.conftest import SITE, codes, command

new_core = pytest.importorskip("maintenance.new_core", reason="not a checkout")

ROOT = Path(__file__).parent.parent.parent
HERE = select.choose(str(release.installed()), "fallback").row
NEXT = f"2.{int(versions.SUPPORTED[-1].series.rpartition('.')[2]) + 1}"
MEMBERS = [
    row
    for row in versions.SUPPORTED
    if (ROOT / "mitopatch" / "versions" / f"{row.module.rpartition('.')[2]}.py").read_text(encoding="utf-8")
    == new_core.MEMBER.format(
        series=row.series, family=row.family, head=next(head.module for head in versions.SUPPORTED if head.series == row.family)
    )
]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the command reads and writes."""
    folder = tmp_path / "checkout"
    leave_out = shutil.ignore_patterns("__pycache__")
    for name in ("mitopatch", "maintenance", "patches"):
        shutil.copytree(ROOT / name, folder / name, ignore=leave_out)
    for name in ("README.md", "tox.ini"):
        shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture
def begin(checkout: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command in the copy, without the network."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "maintenance.new_core", *arguments, "--no-fingerprints"],
            cwd=checkout, capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    return run


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}


def forget(checkout: Path, row: versions.Row) -> bytes:
    """Take a series out of the copy; its table of fingerprints is returned, because only the network can give it back."""
    table = checkout / "mitopatch" / "versions" / "__init__.py"
    lines = table.read_text().splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith(f'    Row("{row.series}"')]
    assert len(kept) == len(lines) - 1
    table.write_text("".join(kept))
    (checkout / "mitopatch" / "versions" / f"{row.module.rpartition('.')[2]}.py").unlink()
    fingerprints = checkout / "mitopatch" / "versions" / "fingerprints" / f"{row.series}.json"
    known = fingerprints.read_bytes()
    fingerprints.unlink()
    shutil.rmtree(checkout / "patches" / row.series, ignore_errors=True)
    for chore in ("readme", "environments"):
        subprocess.run([sys.executable, "-m", f"maintenance.{chore}"], cwd=checkout, check=True, timeout=60)
    return known


def module(row: versions.Row) -> str:
    return f"mitopatch/versions/{row.module.rpartition('.')[2]}.py"


def rows(checkout: Path) -> tuple[versions.Row, ...]:
    """SUPPORTED of the copy."""
    found: dict[str, Any] = {}
    exec(compile((checkout / "mitopatch" / "versions" / "__init__.py").read_text(), "copy", "exec"), found)
    return tuple(versions.Row(*row) for row in found["SUPPORTED"])


@pytest.mark.parametrize("row", MEMBERS, ids=lambda row: row.series)
def test_a_member_comes_back_as_it_was(checkout: Path, begin: Any, row: versions.Row) -> None:
    before = tree(checkout)
    forget(checkout, row)
    assert f"| {row.series} |" not in (checkout / "README.md").read_text()
    assert f"core{row.series}-oldest," not in (checkout / "tox.ini").read_text()
    done = begin(row.series)
    assert done.returncode == 0, done.stderr
    assert f"maintenance.drift {row.series}`" in done.stdout
    after = tree(checkout)
    assert after[module(row)] == before[module(row)]
    name = f"patches/{row.series}/series"
    assert after[name].split() == before[name].split()
    # What only the releases tell is for the maintainer, or for the package index.
    told = {"oldest": f"{row.series}.0", "newest": f"{row.series}.0", "status": "preview"}
    (mine,) = [found for found in rows(checkout) if found.series == row.series]
    assert mine == row._replace(**told, pythons=mine.pythons)
    assert [found.series for found in rows(checkout)] == [found.series for found in versions.SUPPORTED]
    assert f"| {row.series} (preview) | {row.series}.0 to {row.series}.0 |" in (checkout / "README.md").read_text()
    assert f"core{row.series}-oldest," in (checkout / "tox.ini").read_text()
    changed = {name for name in before if before[name] != after.get(name)}
    assert changed == {"README.md", "tox.ini", "mitopatch/versions/__init__.py", f"mitopatch/versions/fingerprints/{row.series}.json"}


@pytest.mark.skipif(HERE is None, reason="the bundles can be read only where there is an ansible-core")
def test_a_series_to_come(checkout: Path, begin: Any) -> None:
    before = tree(checkout)
    assert begin(NEXT, "--pretend").returncode == 0
    assert tree(checkout) == before
    done = begin(NEXT)
    assert done.returncode == 0, done.stderr
    row = rows(checkout)[-1]
    assert row == versions.SUPPORTED[-1]._replace(
        series=NEXT, module=f"mitopatch.versions.v{NEXT.replace('.', '_')}", oldest=f"{NEXT}.0", newest=f"{NEXT}.0", status="preview"
    )
    shown = [
        subprocess.run(
            [sys.executable, "-m", "mitopatch", "show", series], cwd=checkout, capture_output=True, text=True, timeout=60, check=True
        ).stdout.replace(f"stable-{series}", "stable-X")
        for series in (versions.SUPPORTED[-1].series, NEXT)
    ]
    assert shown[0].splitlines()[1:] == shown[1].splitlines()[1:], "the same declarations under the new name"
    after = tree(checkout)
    again = begin(NEXT)
    assert again.returncode == 2
    assert again.stderr.startswith(f"nothing was written: {NEXT} is in SUPPORTED already")
    assert len(again.stderr.splitlines()) == 1
    assert tree(checkout) == after


@pytest.mark.parametrize("series", ["2", "2.22.0", "two", ""])
def test_what_is_no_series_is_refused(checkout: Path, begin: Any, series: str) -> None:
    before = tree(checkout)
    done = begin(series)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert tree(checkout) == before


@pytest.mark.skipif(HERE not in MEMBERS, reason="the installed series is not a plain member of its family")
def test_the_installed_series_is_forgotten_and_accelerated_again(checkout: Path, begin: Any, process: Any, tmp_path: Path) -> None:
    assert HERE is not None
    (tmp_path / "site.yml").write_text(SITE.format(strategy=""))

    def play() -> tuple[int, bool, list[str]]:
        start = [sys.executable, "-m", "mitopatch", "run", "--", command("ansible-playbook")]
        pids = tmp_path / "pids"
        done = process(*start, "-i", "a,b,", "-c", "local", "site.yml", PYTHONPATH=str(checkout), MITOPATCH_PIDFILE=str(pids))
        assert done.stdout.count("said") == 2, done.stderr
        return done.returncode, pids.exists(), codes(done)

    known = forget(checkout, HERE)
    assert play() == (0, False, ["MP101"])
    assert begin(HERE.series).returncode == 0
    (checkout / "mitopatch" / "versions" / "fingerprints" / f"{HERE.series}.json").write_bytes(known)
    verified = process(sys.executable, "-m", "mitopatch", "verify", PYTHONPATH=str(checkout))
    assert verified.returncode == 0, verified.stdout
    assert play() == (0, True, [])


def change(word: str, name: str, declared: bool = True, gated: bool = False) -> Any:
    return new_core.Change(word, f"ansible.x:{name}", declared, gated)


def test_changed_bodies_are_named_and_a_member_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    made = new_core.plan(NEXT)
    found = [change("same", "A"), change("body changed", "B", gated=True), change("body changed", "C"), change("gone", "D", declared=False)]
    told = "\n".join(new_core.told(found, made))
    assert "1 same, 2 body changed, 1 gone" in told
    assert "ansible.x:B  (the bundle relies on this body)" in told
    assert "ansible.x:C" not in told, "a wrap does not mind another body"
    assert "ansible.x:D" not in told, "no declaration names it"
    assert "family head" not in told + "".join(new_core.left(found, made))


@pytest.mark.parametrize("word", ["parameters changed", "gone"])
def test_a_series_that_needs_a_head_says_so_and_which_symbol(word: str) -> None:
    made = new_core.plan(NEXT)
    found = [change("same", "A"), change(word, "B")]
    told = "\n".join(new_core.told(found, made))
    assert f"{word:20}ansible.x:B" in told
    assert "must become a family head" in told
    assert next(iter(new_core.left(found, made))).startswith(f"Copy {Path(module(made.head)).name} whole to {Path(module(made.row)).name}")


def test_changes_are_read_from_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    key = "ansible.executor.process.worker:WorkerProcess._run"

    def report(old: str, new: str) -> None:
        print(f"body changed        {key}\n    -    same                ansible.no:Line\nparameters changed  ansible.y:B\na to b: 1 same")

    monkeypatch.setattr(new_core.drift, "report", report)
    monkeypatch.setattr(new_core.select, "bundle_of", lambda row: bundle_with(key))
    found = new_core.changes(versions.SUPPORTED[-1], NEXT)
    assert found == [new_core.Change("body changed", key, True, True), new_core.Change("parameters changed", "ansible.y:B", False, False)]


def bundle_with(key: str) -> Bundle:
    return Bundle("2.99", "2.99", [Relies(*key.split(":"), why="w", upstream="u", undo_when="n")])


def test_a_series_that_the_index_does_not_have_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(new_core.drift, "releases", lambda series: [])
    assert new_core.main([NEXT]) == 2
    assert "has no final release" in capsys.readouterr().err


def test_releases_and_pythons_come_from_the_index() -> None:
    made = new_core.plan(NEXT, [f"{NEXT}.0", f"{NEXT}.1"], ["3.8", "3.13", "3.14"])
    assert (made.row.oldest, made.row.newest, made.row.pythons) == (f"{NEXT}.0", f"{NEXT}.1", ("3.13", "3.14"))
    assert new_core.plan("2.10").base == versions.SUPPORTED[0]


def test_a_row_stands_in_its_place() -> None:
    text = (ROOT / "mitopatch" / "versions" / "__init__.py").read_text()
    for series, before in (("2.10", versions.SUPPORTED[0].series), ("2.99", None)):
        new = new_core.with_row(text, versions.SUPPORTED[0]._replace(series=series, pythons=("3.9",)))
        lines = new[new.index("SUPPORTED: ") :].splitlines()
        place = next(number for number, line in enumerate(lines) if f'Row("{series}"' in line)
        assert lines[place + 1].startswith(f'    Row("{before}"' if before else ")")
        assert '("3.9",)' in lines[place]


def test_patches_of_one_series_are_named_from_the_other(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(new_core.diffs, "listed", lambda series: ["../common/a.patch", "b.patch"])
    files = new_core.plan(NEXT).files
    last = versions.SUPPORTED[-1].series
    assert files[new_core.ROOT / "patches" / NEXT / "series"] == f"../common/a.patch\n../{last}/b.patch\n"
