"""The variable ``vars``: what every way of reading it shows, and the deprecation that it brings from 2.20 on, as in plain ansible-core."""

from __future__ import annotations

from testbed.compare import assert_same

from .conftest import Local

SITE = """
- hosts: all
  vars: {numbers: [1, {a: 2}], nothing: {}, text: "{{ inventory_hostname }}!", mapping: {x: {}}}
  tasks:
    - debug: {msg: "{{ vars.numbers }} {{ vars['nothing'] }} {{ vars.text }} {{ vars.mapping }}"}
    - debug: {msg: "{{ vars | length }} {{ vars.vars | default({}) | length }}"}
    - debug: {msg: "{{ vars | dict2items | map(attribute='key') | list }}"}
    - debug: {msg: "{{ lookup('vars', 'vars').numbers }} {{ hostvars['h1'].vars.numbers | default('none') }}"}
    - debug: {msg: "{{ vars | type_debug }} {{ vars.numbers | type_debug }} {{ 'numbers' in vars }} {{ vars.missing | default('no') }}"}
    - set_fact: {kept: "{{ vars | dict2items | rejectattr('key', 'in', ['vars', 'hostvars', 'groups']) | items2dict }}"}
    - debug: {msg: "{{ kept.text }} {{ kept.numbers }}"}
    - debug: {msg: "{{ vars[item] }}"}
      loop: "{{ vars.mapping | list + ['numbers', 'nothing'] }}"
      when: vars[item] is defined
    - look: {}
"""

#: Reads it in Python, as a plugin of the user might.
LOOK = """
import copy, json, pickle
from ansible.plugins.action import ActionBase

class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        found = task_vars["vars"]
        small = {name: value for name, value in found.items() if name in ("numbers", "nothing", "text", "mapping")}
        result.update(
            changed=False, size=len(found), bare=len(found.get("vars", ())),
            same=dict(found) == found, kind=isinstance(found, dict), small=small,
            copies=[len(copy.copy(found)), len(found.copy()), len({**found})], there="numbers" in found, none=found.get("none", "none"),
            others=sorted(set(task_vars) ^ set(found)), number=pickle.loads(pickle.dumps(found["numbers"])), text=json.dumps(small),
        )
        found["numbers"] = "written"
        result["written"] = [found["numbers"], found.get("numbers"), task_vars["vars"]["numbers"]]
        return result
"""


def test_reads(local: Local) -> None:
    files = {"site.yml": SITE, "action_plugins/look.py": LOOK}
    plain, patched = local.both(files, timeout=300)
    assert plain.rc == 0, plain.text
    assert len(plain.values("written")["look"]) == 2
    assert_same(plain, patched)
    checked = local.run(files, env={"MITOPATCH_CHECK": "1"}, timeout=300)
    assert "MP2" not in checked.text, checked.text
    assert_same(plain, checked)
