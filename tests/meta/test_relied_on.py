"""The list of what mitopatch rests on in Mitogen is whole: compared with mitopatch/targets, the installed Mitogen, and the table."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import pytest

import mitopatch
from mitopatch import mitogen_release, select
from mitopatch.lookup import Lookup
from mitopatch.targets.reliance import BODY, CALL
from mitopatch.targets.relied_on import RELIED_ON

mitogen_uses = pytest.importorskip("maintenance.mitogen_uses", reason="not a checkout")
pytestmark = pytest.mark.skipif(importlib.util.find_spec("mitogen") is None, reason="no mitogen in this environment")

TARGETS = Path(mitopatch.__file__).parent / "targets"
FILES = sorted(path for path in TARGETS.glob("*.py") if path.name != "relied_on.py")
LISTED = {item.key: item for item in RELIED_ON}
#: What we set where Mitogen has no such name: which listed function is the one that reads it.
INSTEAD = {
    "ansible_mitogen.connection:Connection.has_pipelining": "ansible_mitogen.transport_config:run_interpreter_discovery_if_necessary",
    "ansible_mitogen.loaders:action_loader.get_with_context": "ansible_mitogen.loaders:action_loader",
    "ansible_mitogen.loaders:connection_loader.get_with_context": "ansible_mitogen.loaders:connection_loader",
    "ansible_mitogen.module_finder:compile": "ansible_mitogen.module_finder:scan",
    "mitogen.master:compile": "mitogen.master:ModuleFinder.find_related_imports",
}


@pytest.fixture(scope="module")
def lookup() -> Lookup:
    return Lookup(mitogen_release.Installed())


def missing(source: str, lookup: Lookup, listed: Any = LISTED) -> list[str]:
    """What a file of mitopatch/targets uses and the list lacks. Names of our own that are set on Mitogen's classes begin with ours."""
    used = {INSTEAD.get(key, key) for key in mitogen_uses.Uses(source, lookup).all}
    return sorted(key for key in used if key not in listed and not key.rpartition(".")[2].startswith("mitopatch"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_all_that_a_file_overrides_sets_and_names_is_listed(path: Path, lookup: Lookup) -> None:
    source = path.read_text(encoding="utf-8")
    assert missing(source, lookup) == [], "a line each for mitopatch/targets/relied_on.py, then python -m maintenance.drift mitogen"
    assert not mitogen_uses.Uses(source, lookup).unclear, "setattr with a name that cannot be read"


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("import mitogen.core\nmitogen.core.Stream.on_transmit = print", "mitogen.core:Stream.on_transmit"),
        ("import mitogen.core as c\nc.Stream.on_transmit, x = print, 1", "mitogen.core:Stream.on_transmit"),
        ("from mitogen import core\nsetattr(core.Stream, 'on_transmit', print)", "mitogen.core:Stream.on_transmit"),
        ("import mitogen.core as c\nfor n in ('a', 'on_transmit'):\n    setattr(c.Stream, n, print)", "mitogen.core:Stream.on_transmit"),
        ("import mitogen.core as c\nclass Mine(c.Stream):\n    def on_shutdown(self, broker): ...", "mitogen.core:Stream.on_shutdown"),
        ("import mitogen.core\nBase = mitogen.core.Stream\nclass Mine(Base):\n    on_shutdown = None", "mitogen.core:Stream.on_shutdown"),
        # Where it is defined, not where it is reached.
        ("import mitogen.master\nclass Mine(mitogen.master.Router):\n    def del_handler(self, h): ...", "mitogen.core:Router.del_handler"),
        ("import mitogen.utils\ndef f():\n    return mitogen.utils.log_to_file()", "mitogen.utils:log_to_file"),
        ("def f():\n    import mitogen.utils as u\n    g, h = u.log_to_file, 1\n    return lambda: g()", "mitogen.utils:log_to_file"),
        ("import mitogen.parent as p\nclass K:\n  def m(self):\n    k = p.Connection\n    k.spec = 1", "mitogen.parent:Connection.spec"),
    ],
)  # fmt: skip
def test_each_way_to_touch_mitogen_is_seen(lookup: Lookup, line: str, key: str) -> None:
    """Mutations: a line more in a file of ours, and it is in no list."""
    assert key in missing(line, lookup, listed={})
    assert key in missing(
        (TARGETS / "turns.py").read_text(encoding="utf-8") + "\n" + line, lookup, {k: v for k, v in LISTED.items() if k != key}
    )


def test_what_cannot_be_told_is_said(lookup: Lookup) -> None:
    assert mitogen_uses.Uses("import mitogen.core\nsetattr(mitogen.core.Stream, chosen(), 1)", lookup).unclear == {2}


@pytest.mark.parametrize("key", [item.key for item in RELIED_ON if item.checked == BODY][:5])
def test_a_line_less_in_the_list_is_missed_if_we_touch_it(lookup: Lookup, key: str) -> None:
    module, _, name = key.partition(":")
    fewer = {other: item for other, item in LISTED.items() if other != key}
    assert missing(f"import {module}\n{module}.{name} = None", lookup, fewer) == [key]
    assert missing(f"import {module}\n{module}.{name} = None", lookup) == []


def test_the_list_itself() -> None:
    assert len(LISTED) == len(RELIED_ON), "one key twice"
    for item in RELIED_ON:
        assert item.checked in (BODY, CALL), item.key
        assert item.why.strip(), item.key
        assert item.process in ("worker", "target", "worker, target"), item.key
    assert set(INSTEAD.values()) <= set(LISTED)


def test_the_table_knows_all_of_the_list() -> None:
    """Each in every release that a file of it vouches for: what is inherited or gone, `maintenance.drift` writes into "aside"."""
    with open(os.path.join(select.FINGERPRINTS, mitogen_release.TABLE), encoding="utf-8") as file:
        table = json.load(file)
    assert set(table["symbols"]) == set(LISTED), "python -m maintenance.drift mitogen"
    assert set(table["files"]) == {item.module for item in RELIED_ON}
    assert table["aside"] == {}, "README names it, or the list is mended"


def test_the_installed_release_is_known() -> None:
    """With the real table: what the tests run on must not be plain Ansible."""
    assert [verdict.line for verdict in mitogen_release.verdicts() if verdict.reason is not None] == []
