"""Copies of variables for ``lookup('template')``: as the standard library makes them, and no template changes what it copied."""

from __future__ import annotations

import copy
import os
from collections import ChainMap
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from testbed.compare import assert_same

from .conftest import Local, installed_family

pytest.importorskip("ansible", reason="ansible-core is not installed")

from ansible.parsing.dataloader import DataLoader
from ansible.utils.unsafe_proxy import wrap_var

from mitopatch.versions.deep_copies import DeepCopies
from mitopatch.versions.lazy import FilledWhenRead

LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary(), st.dates(),
    st.text().map(wrap_var), st.sampled_from(["{{ one }}", "plain"]),
)  # fmt: skip
FROM_A_FILE = "[1, 2.5, text, '{{ one }}', {a: [b, {c: d}], 3: e}, null, true, 2020-02-02]"


def _trees(leaves: Any) -> Any:
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4),
            st.lists(inner, max_size=3).map(tuple),
            st.dictionaries(st.one_of(st.text(), st.integers(), st.tuples(st.text(), st.integers())), inner, max_size=4),
            st.sets(st.text(), max_size=3),
        ),
        max_leaves=20,
    )


class Later(FilledWhenRead):
    """Filled when somebody reads it."""

    __slots__ = ()

    def _fill(self) -> None:
        dict.setdefault(self, "read", ["in time"])


@pytest.fixture(scope="module")
def deepcopy() -> DeepCopies:
    return DeepCopies(*installed_family().values())


def same(one: Any, other: Any, kept: Any) -> None:
    """Equal, of the same kinds, and nothing that can be changed shared with what was copied."""
    assert type(one) is type(other)
    assert getattr(one, "ansible_pos", None) == getattr(other, "ansible_pos", None)
    assert getattr(one, "_ansible_tags_mapping", None) == getattr(other, "_ansible_tags_mapping", None)
    if isinstance(one, dict):
        assert one is not kept
        assert list(one) == list(other)
        for name in one:
            same(one[name], other[name], kept[name])
    elif isinstance(one, (list, tuple)):
        assert one is not kept or isinstance(one, tuple)
        assert len(one) == len(other)
        for values in zip(one, other, kept):
            same(*values)
    else:
        assert one == other


@settings(max_examples=200, deadline=None)
@given(_trees(LEAVES))
def test_as_the_standard_library(deepcopy: DeepCopies, tree: Any) -> None:
    same(deepcopy(tree), copy.deepcopy(tree), tree)


def test_of_a_file(deepcopy: DeepCopies) -> None:
    tree = {"read": DataLoader().load(FROM_A_FILE), "unsafe": wrap_var({"a": ["b"]})}
    assert type(tree["read"]) is not list  # it has a position, or tags
    same(deepcopy(tree), copy.deepcopy(tree), tree)


def test_once_each(deepcopy: DeepCopies) -> None:
    shared: list[Any] = [{"a": 1}]
    ring: dict[str, Any] = {"one": shared, "two": shared, "three": shared[0]}
    ring["self"] = ring
    mine = deepcopy(ring)
    assert mine["one"] is mine["two"]
    assert mine["three"] is mine["one"][0] is not shared[0]
    assert mine["self"] is mine


def test_of_other_kinds(deepcopy: DeepCopies) -> None:
    tree = ChainMap({"a": [1]}, {"b": {"c": [2]}})
    mine = deepcopy(tree)
    mine["a"].append(2)
    mine["b"]["c"].append(3)
    assert (type(mine), tree) == (ChainMap, {"a": [1], "b": {"c": [2]}})
    later = Later()
    mine = deepcopy({"later": later})["later"]
    assert (type(mine), mine) == (dict, {"read": ["in time"]})
    assert mine["read"] is not later["read"]


SITE = """
- hosts: all
  vars:
    rows: [{name: one, parts: [1]}, {name: two, parts: []}]
    marks: {seen: []}
  tasks:
    - include_vars: more.yml
    - debug: {msg: "{{ lookup('template', 'rows.j2') }}"}
    - debug: {msg: "{{ rows }} {{ marks }} {{ more }}"}
    - debug: {msg: "{{ lookup('template', 'rows.j2', template_vars={'marks': {'seen': [item]}}) }} {{ rows }}"}
      loop: [a, b]
    - set_fact: {mine: "{{ lookup('template', 'outer.j2') }}"}
    - debug: {var: mine}
    - debug: {msg: "{{ rows }} {{ marks }} {{ more }}"}
"""
ROWS = """{% for row in rows %}{% set _ = row.parts.append(row.name) %}{% set _ = marks.seen.append(row.name) %}
{{ row.name }}: {{ row.parts | join(' ') }}; {{ more.text }} {% set _ = more.list.append(inventory_hostname) %}{{ more.list }}
{% endfor %}{{ marks.seen }} {{ ansible_play_hosts }} {{ template_path | default('none') | basename }}
"""
FILES = {
    "site.yml": SITE,
    "more.yml": "more: {text: '{{ inventory_hostname }} says', list: [x]}",
    "templates/rows.j2": ROWS,
    "templates/outer.j2": "{% set _ = marks.seen.append('outer') %}{{ lookup('template', 'rows.j2') }} {{ marks }}",
}


VARS_FILES = {
    "site.yml": """
- hosts: all
  vars_files: [shared.yml, "{{ inventory_hostname }}.yml", [none.yml, other.json]]
  tasks:
    - debug: {msg: "{{ shared.list.append(inventory_hostname) }} {{ shared.list }} {{ shared.of }} {{ own.append(1) }} {{ own }}"}
      loop: [1, 2]
    - debug: {msg: "{{ shared }} {{ own }} {{ other }}"}
    - copy: {content: "own: [written, later]", dest: "{{ playbook_dir }}/{{ inventory_hostname }}.yml"}
    - debug: {msg: "{{ own }}"}
    - copy: {content: "own: [written, again]", dest: "{{ playbook_dir }}/{{ inventory_hostname }}.yml"}
    - debug: {msg: "{{ own }}"}
""",
    "shared.yml": "shared: {list: [a], of: '{{ inventory_hostname }}', none: null, when: 2020-02-02}",
    "h1.yml": "own: []",
    "h2.yml": "own: [2]",
    "other.json": '{"other": {"a": [1]}}',
}


def test_files_are_read_as_they_are(local: Local) -> None:
    plain, patched = local.both(VARS_FILES, timeout=300)
    assert (plain.rc, "again" in plain.text) == (0, True), plain.text
    assert_same(plain, patched)


def test_a_file_is_parsed_once(deepcopy: DeepCopies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mitopatch.versions import vars_files

    path, parsed = tmp_path / "vars.yml", []
    load = DataLoader.load_from_file
    monkeypatch.setattr(DataLoader, "load_from_file", lambda self, *args, **kwargs: parsed.append(args) or load(self, *args, **kwargs))
    vars_files.install(deepcopy, installed_family().warnings)
    asked = {"unsafe": True, "cache": "vaulted" if hasattr(DataLoader, "get_text_file_contents") else False}
    loader = DataLoader()

    def read() -> Any:
        return loader.load_from_file(str(path), **asked)

    path.write_text("a: [1]")
    assert [read(), read()] == [{"a": [1]}] * 2
    assert len(parsed) == 2  # it may change once more at the same moment
    os.utime(path, (1, 1))
    found = [read() for _ in range(3)]
    assert len(parsed) == 3
    found[1]["a"].append(2)
    assert [found[0], found[2], read()] == [{"a": [1]}] * 3
    path.write_text("a: [2]")
    os.utime(path, (2, 2))
    assert read() == {"a": [2]}
    loader.load_from_file(str(path))
    assert len(parsed) == 5


INCLUDES = {
    "site.yml": """
- hosts: all
  gather_facts: false
  tasks:
    - command: touch -d @1 vars/more.yml vars/twice.yml  # what has just changed is parsed each time
      args: {chdir: "{{ playbook_dir }}"}
      run_once: true
    - {include_vars: {file: more.yml}, register: first}
    - debug: {msg: "{{ a.append(1) }} {{ a }} {{ b }} {{ first.warnings | default('none') }}"}
    - {include_vars: {file: more.yml, name: in_it}, register: second}
    - debug: {msg: "{{ in_it }} {{ b }} {{ second.ansible_included_var_files | length }}"}
    - {include_vars: twice.yml, loop: [1, 2], register: third}
    - debug: {msg: "{{ third }}"}
    - {include_vars: twice.yml}
    - debug: {msg: "{{ c }}"}
    - copy: {dest: "{{ playbook_dir }}/vars/more.yml", content: "a: [again]"}
      run_once: true
    - include_vars: more.yml
    - debug: {msg: "{{ a }}"}
    - {include_vars: wrong.yml, ignore_errors: true}
    - {include_vars: wrong.yml, ignore_errors: true}
    - {include_vars: list.yml, ignore_errors: true}
    - {include_vars: {dir: vars/of}}
    - debug: {msg: "{{ one }} {{ two }}"}
""",
    "vars/more.yml": "a: [1, {x: '{{ b }}'}]\nb: text",
    "vars/twice.yml": "c: 1\nc: '{{ b }}'",
    "vars/wrong.yml": "a: [",
    "vars/list.yml": "[1]",
    "vars/of/one.yml": "one: 1",
    "vars/of/two.yml": "two: [2]",
}


def test_what_is_included(local: Local) -> None:
    plain, patched = local.both(INCLUDES, hosts=3, timeout=300)
    assert plain.rc == 0, plain.text
    assert_same(plain, patched)


def test_what_templates_change(local: Local) -> None:
    plain, patched = local.both(FILES, timeout=300)
    assert plain.rc == 0, plain.text
    assert "one: 1 one" in plain.text
    assert_same(plain, patched)
