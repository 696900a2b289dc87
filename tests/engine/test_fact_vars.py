"""Variables made of facts, worked out once for several host-tasks: never older than the facts, and each task's own to change."""

from __future__ import annotations

from typing import Any

import pytest
from testbed.compare import assert_same

from .conftest import Local

pytest.importorskip("ansible", reason="ansible-core is not installed")

SHOW = """    - debug: {msg: "{{ ansible_facts }} {{ ansible_rows | default('none') }}"}
    - debug: {msg: "{{ ansible_one | default('none') }} {{ plain | default('none') }}"}
    - debug: {msg: "{{ ansible_facts.rows | default([]) | length }} {{ ansible_local | default('none') }} {{ more | default('none') }}"}
    - debug:
        msg: "{{ ansible_facts.rows.append('x') }} {{ (ansible_rows | d([])).append('y') }} {{ ansible_facts }} {{ ansible_rows | d(1) }}"
      when: ansible_facts.rows is defined
"""
# What gives facts: a module that says what it is told.
FACTS = """#!/usr/bin/python
import json
from ansible.module_utils.basic import AnsibleModule

module = AnsibleModule(argument_spec={"facts": {"type": "dict"}})
module.exit_json(ansible_facts=module.params["facts"])
"""
SITE = f"""
- hosts: all
  gather_facts: true
  gather_subset: ["!all", "!min", "pkg_mgr"]
  tasks:
{SHOW}
    - facts: {{facts: {{ansible_rows: [1, {{a: b}}], ansible_one: "of {{{{ inventory_hostname }}}}", plain: p, ansible_local: {{x: [1]}}}}}}
{SHOW}
    - set_fact: {{ansible_one: again, more: "{{{{ ansible_one | default(1) }}}}", cacheable: true}}
{SHOW}
    - set_fact: {{ansible_one: "without the cache"}}
{SHOW}
    - facts: {{facts: {{ansible_one: all, ansible_rows: [2], ansible_raw: !unsafe "{{{{ more }}}}"}}}}
      run_once: true
{SHOW}
    - debug: {{msg: "{{{{ ansible_raw | default(1) }}}} {{{{ ansible_facts.raw }}}}"}}
    - facts: {{facts: {{ansible_one: "of h1 by {{{{ inventory_hostname }}}}"}}}}
      delegate_to: h1
      delegate_facts: true
      when: inventory_hostname == 'h2'
{SHOW}
    - debug: {{msg: "{{{{ hostvars.h1.ansible_one | default(1) }}}} {{{{ hostvars.h2.ansible_facts }}}}"}}
    - meta: clear_facts
{SHOW}
    - facts: {{facts: {{ansible_connection: nowhere, ansible_one: third}}}}
{SHOW}
"""


@pytest.mark.parametrize("config", ["", "inject_facts_as_vars = false"])
@pytest.mark.parametrize("cache", ["memory", "jsonfile"])
def test_never_old(local: Local, config: str, cache: str) -> None:
    files = {"site.yml": SITE, "library/facts.py": FACTS}
    config += f"\nfact_caching = {cache}\nfact_caching_connection = facts"
    plain, patched = local.both(files, hosts=3, timeout=300, config=config)
    assert plain.rc == 0, plain.text
    assert_same(plain, patched)
    checked = local.run(files, hosts=3, config=config, env={"MITOPATCH_CHECK": "1"}, timeout=300)
    assert checked.rc == 0, checked.text
    assert "MP2" not in checked.text, checked.text


class _Counted:
    """Upstream's functions, counted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from ansible.vars import manager

        self.calls: list[str] = []
        for name in ("namespace_facts", "clean_facts"):
            monkeypatch.setattr(manager, name, self._counting(name, getattr(manager, name)))
        for name in ("wrap_var", "_clean_and_deprecate_top_level_facts"):  # put back at the end
            if hasattr(manager, name):
                monkeypatch.setattr(manager, name, getattr(manager, name))

    def _counting(self, name: str, function: Any) -> Any:
        def counted(facts: Any) -> Any:
            self.calls.append(name)
            return function(facts)

        return counted


def test_worked_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible.vars import manager

    from mitopatch.versions.deep_copies import DeepCopies
    from mitopatch.versions.fact_vars import CLEANING, FactVars

    from .conftest import installed_family

    counted = _Counted(monkeypatch)
    fact_vars = FactVars()
    fact_vars.install(DeepCopies(*installed_family().values()))
    mark = getattr(manager, "wrap_var", lambda value: value)
    clean = getattr(manager, next(name for name in CLEANING if hasattr(manager, name)))

    def variables(facts: Any) -> tuple[Any, Any]:
        marked = mark(facts)
        return manager.namespace_facts(marked), mark(clean(marked))

    known: dict[str, Any] = {"ansible_rows": [1, {"a": "b"}], "ansible_one": "text", "plain": 1}
    facts = {**known, "_ansible_facts_gathered": True}
    first, second = variables(facts), variables(facts)
    assert counted.calls == ["namespace_facts", "clean_facts"]
    spaced = {"rows": [1, {"a": "b"}], "one": "text", "plain": 1, "_ansible_facts_gathered": True}
    assert first == second == ({"ansible_facts": spaced}, known)
    assert [type(value) for value in first[1].values()] == [type(value) for value in second[1].values()]
    first[0]["ansible_facts"]["rows"][1]["a"] = first[1]["ansible_rows"][1]["a"] = "c"
    assert variables(facts) == second
    facts["ansible_one"] = "other"
    fact_vars.forget()
    assert variables(facts)[1] == {**known, "ansible_one": "other"}
    counted.calls.clear()
    mine = {"ansible_one": "text", "ansible_connection": "gone"}
    assert [variables(mine)[1] for _ in range(2)] == [{"ansible_one": "text"}] * 2
    assert counted.calls == ["namespace_facts", "clean_facts", "clean_facts"]  # with its warning each time
