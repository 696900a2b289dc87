"""The source patches of the installed release: in force, effective, without another effect, marked in tracebacks, all or none."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

import mitopatch
from mitopatch import diffs, release, select
from tests.bundle.conftest import codes

FOUND = release.installed()
ROW = select.choose(FOUND, "fallback").row if isinstance(FOUND, str) else None
REAL = ROW is not None and importlib.util.find_spec(ROW.module) is not None
PATCHES = diffs.load(ROW.series) if ROW is not None else []
NAMES = [patch.name for patch in PATCHES]
ON = "[defaults]\nmitopatch = on\n"
pytestmark = pytest.mark.skipif(not REAL, reason="no bundle for the ansible-core of this environment")

START = """
import sys, traceback, types
from mitopatch import autoload, bootstrap, hook, ledger
hook.remove(autoload.finder)
book = bootstrap.open_ledger().ledger
assert book.apply() is None, book.reason
"""

# One pass of the free strategy over hosts that are all blocked, everything around it made of nothing.
FREE = (
    START
    + """
from ansible import constants
from ansible.plugins import strategy
from ansible.plugins.strategy.free import StrategyModule

strategy.StrategyBase.run = lambda self, iterator, play_context, result=0: result
peeked = []

class Iterator:
    _play = types.SimpleNamespace(max_fail_percentage=None, _removed_hosts=sys.argv[2].split(","), handlers=[])

    def get_next_task_for_host(self, host, peek=False):
        assert peek
        if sys.argv[1] == "raise":
            raise RuntimeError("peeked")
        peeked.append(host.name)
        return "state", "task"

def finish(iterator, *args, **kwargs):
    free._tqm._terminated = True
    return []

free = object.__new__(StrategyModule)
hosts = [types.SimpleNamespace(name=name, get_name=lambda name=name: name) for name in "abcd"]
free._tqm = types.SimpleNamespace(RUN_OK=0, _terminated=False, _unreachable_hosts={"a": True})
free._workers, free._host_pinned, free._loader, free._variable_manager = [], False, None, None
free._blocked_hosts = dict.fromkeys("abcd", True)
free._set_hosts_cache = free.update_active_connections = lambda *args: None
free.get_hosts_left = lambda iterator: hosts
free._process_pending_results = free._wait_on_pending_results = finish
constants.DEFAULT_DEBUG = sys.argv[1] == "debug"
try:
    free.run(Iterator(), None)
except RuntimeError:
    traceback.print_exc()
print("PEEKED", "".join(peeked))
"""
)

FACTS = (
    START
    + """
import datetime
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.manager import VariableManager

loader = DataLoader()
inventory = InventoryManager(loader=loader, sources=["h1,"])
manager = VariableManager(loader=loader, inventory=inventory)
nested = {"text": "one", "list": ["two", {"three": b"four", "none": None}], "number": 5, "yes": True, 6: 7.5}
facts = {"ansible_" + str(number): nested for number in range(3)}
manager.set_host_facts("h1", {
    **facts, "ansible_local": nested, "plain": nested, "ansible_ssh_user": "removed", "ansible_python_interpreter": "removed",
    "_ansible_internal": 1, "ansible_deep": {"_ansible_internal": 1, "kept": ["x"]}, "tuple": ("a", "b"), "mark": "{{ no_template }}",
})

def same(one, other, path):
    assert type(one) is type(other), (path, type(one), type(other))
    if isinstance(one, dict):
        assert list(map(repr, one)) == list(map(repr, other)), path
        for (key, value), (other_key, other_value) in zip(one.items(), other.items()):
            assert type(key) is type(other_key), (path, key)
            same(value, other_value, path + [key])
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other), path
        for number, (value, other_value) in enumerate(zip(one, other)):
            same(value, other_value, path + [number])
    else:
        assert one == other, path

host = inventory.get_host("h1")
upstream = ledger.original("ansible.vars.manager:VariableManager.get_vars")
one, other = manager.get_vars(host=host), upstream(manager, host=host)
same(one, other, [])
assert one["ansible_1"] is not one["ansible_facts"]["1"]
assert "ansible_ssh_user" not in one and one["ansible_deep"] == {"kept": ["x"]}
print("SAME", len(one))
"""
)


def test_patches_of_the_release_are_in_force(process: Any) -> None:
    assert "free-run.patch" in NAMES
    listed = process(sys.executable, "-m", "mitopatch", "status")
    for patch in PATCHES:
        assert f"applied  edit      {patch.header['Target']}" in listed.stdout
    shown = process(sys.executable, "-m", "mitopatch", "show", ROW.series if ROW else "")
    assert shown.returncode == 0
    for patch in PATCHES:
        assert f"patch     {patch.name}, " in shown.stdout
        assert patch.header["Undo-When"][:60] in shown.stdout
    report = process(sys.executable, "-m", "mitopatch", "doctor")
    for patch in PATCHES:
        fingerprints = [line.split()[1] for line in report.stdout.splitlines() if line.endswith(f"  {patch.header['Target']}")]
        assert set(fingerprints) <= set(patch.fingerprints)
        assert fingerprints


def test_blocked_hosts_are_not_asked(process: Any) -> None:
    """Once there is work to do; 'a' is unreachable, so asking it leaves that open, and so does not asking 'b'."""
    done = process(sys.executable, "-c", FREE, "run", "")
    assert "PEEKED ab\n" in done.stdout, done.stdout + done.stderr
    # Its messages of what was found are the same then.
    done = process(sys.executable, "-c", FREE, "debug", "")
    assert "PEEKED abcd\n" in done.stdout, done.stdout + done.stderr


@pytest.mark.skipif(ROW is None or ROW.series not in ("2.11", "2.12", "2.13"), reason="asking has no effect from 2.14 on")
def test_blocked_hosts_of_which_asking_has_an_effect_are_asked(process: Any) -> None:
    done = process(sys.executable, "-c", FREE, "run", "d")
    assert "PEEKED abd\n" in done.stdout, done.stdout + done.stderr


def test_traceback_marks_the_patched_lines(process: Any) -> None:
    done = process(sys.executable, "-c", FREE, "raise", "")
    lines = [line.strip() for line in done.stderr.splitlines()]
    place = lines.index("(state, task) = iterator.get_next_task_for_host(host, peek=True)  # mitopatch: free-run.patch")
    assert lines[place - 1].startswith('File "<free.py of ansible.plugins.strategy.free, mitopatch: free-run.patch>", line ')
    assert lines[place - 1].endswith(", in run")


@pytest.mark.skipif("get-vars.patch" not in NAMES, reason="this series does not have the patch")
def test_variables_are_upstreams_to_the_last_type(process: Any) -> None:
    done = process(sys.executable, "-c", FACTS)
    assert done.stdout.startswith("SAME"), done.stdout + done.stderr


def test_diff_is_what_was_changed(process: Any) -> None:
    assert ROW is not None
    done = process(sys.executable, "-m", "mitopatch", "show", "--diff", ROW.series)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    for patch in PATCHES:
        start = next(number for number, line in enumerate(lines) if line.startswith(f"# {patch.name}: "))
        path = patch.header["Target"].partition(":")[0].replace(".", "/")
        assert lines[start + 1 : start + 3] == [f"--- a/{path}.py", f"+++ b/{path}.py"]
    added = sum(line.startswith("+") and not line.startswith("+++") for line in lines)
    fitting = [next(section for section in patch.sections if set(section.bodies) & set(bodies(process))) for patch in PATCHES]
    assert added == sum(len(hunk.added) for section in fitting for hunk in section.hunks)
    assert "# mitopatch" not in done.stdout
    # The same text where the release is named, and a sentence where it is one of another series.
    here = str(Path(importlib.util.find_spec("ansible").submodule_search_locations[0]))  # type: ignore[union-attr, index]
    named = process(sys.executable, "-m", "mitopatch", "show", "--release", here, ROW.series)
    assert named.stdout == done.stdout, named.stderr
    other = process(sys.executable, "-m", "mitopatch", "show", "--diff", "2.16" if ROW.series != "2.16" else "2.19")
    assert other.returncode == 1
    assert codes(other) == ["MP137"]
    assert str(FOUND) in other.stderr


def bodies(process: Any) -> list[str]:
    report = process(sys.executable, "-m", "mitopatch", "doctor")
    return [line.split()[1] for line in report.stdout.splitlines() if line.startswith("fingerprint ")]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A mitopatch of our own whose patches can be damaged, found before the installed one."""
    folder = tmp_path / "own"
    package = Path(mitopatch.__file__).parent
    shutil.copytree(package, folder / "mitopatch", ignore=shutil.ignore_patterns("__pycache__", "_patches"))
    shutil.copytree(diffs.folder(), folder / "mitopatch" / "_patches")
    return folder


def damage(own: Path, kind: str) -> None:
    path = own / "mitopatch" / "_patches" / "common" / "free-run.patch"
    text = path.read_text()
    if kind == "gone":
        path.unlink()
    elif kind == "no why":
        path.write_text(text.replace("Why:", "Because:"))
    elif kind == "other body":
        # One section is left, for a body that no release has.
        head, _, rest = text.partition("\nBody:")
        hunks = rest[rest.index("@@") :].partition("\nBody:")[0]
        path.write_text(f"{head}\nBody: 0123456789abcdef\n{hunks}\n")


@pytest.mark.parametrize(("kind", "code"), [("", ""), ("gone", "MP140"), ("no why", "MP140"), ("other body", "MP141")])
def test_patch_that_does_not_fit_puts_all_aside(process: Any, playbook: Any, own: Path, kind: str, code: str) -> None:
    damage(own, kind)
    done = playbook(cfg=ON, real=True, PYTHONPATH=str(own))
    assert done.returncode == 0, done.stderr
    assert codes(done) == ([code] if code else [])
    assert done.stdout.count("said") == 2
    assert "Traceback" not in done.stderr
    if not code:
        return
    assert "plain Ansible" in " ".join(done.stderr.split())
    seen = process(sys.executable, "-m", "mitopatch", "verify", PYTHONPATH=str(own))
    # 2: the installation is damaged, which says nothing about the release.
    assert seen.returncode == (1 if code == "MP141" else 2)
    assert code in seen.stdout
    shown = process(sys.executable, "-m", "mitopatch", "show", "--diff", ROW.series if ROW else "", PYTHONPATH=str(own))
    assert shown.returncode == 1
    assert codes(shown) == [code]
    assert "nothing to show" in shown.stderr
