"""MITOPATCH_CHECK: a replica that is wrong is found, named and ends the run; what it names are keys, never values."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from mitopatch.runtime.digest import Digester

from .conftest import Local, LocalRun

CHECK = {"MITOPATCH_CHECK": "1"}
SECRET = "correct-horse-7391"
HOSTS = """h1
h2
[all:vars]
ansible_connection=local
"""
#: The first task changes h1 only; the second runs on h2 only, whose own variables have not changed.
FACT = f"""
- hosts: all
  gather_facts: false
  tasks:
    - name: First
      set_fact: {{token: {SECRET}}}
      no_log: true
      when: inventory_hostname == 'h1'
    - name: Second
      debug: {{msg: "{{{{ hostvars['h1'].token | default('nothing') | length }}}}"}}
      when: inventory_hostname == 'h2'
    - name: Third
      debug: {{msg: over}}
"""


def assert_found(run: LocalRun, *words: str) -> None:
    """The run ended with MP210 and these words, and not as a run ends that has failed or unreachable hosts."""
    assert run.rc not in (0, 2, 4, 6), run.text
    assert "MP210" in run.stderr, run.text
    for word in words:
        assert word in run.stderr, run.stderr
    assert SECRET not in run.text
    assert "Third" not in run.stdout


def test_a_lost_operation_is_found_behind_hostvars(local: Local) -> None:
    """Without the check, the same run goes on with a wrong value: what the check is for."""
    assert local.run({"site.yml": FACT}, timeout=300, inventory=HOSTS, env=CHECK).rc == 0
    wrong = local.run({"site.yml": FACT}, timeout=300, inventory=HOSTS, without="note")
    assert wrong.rc == 0, wrong.text
    assert {host: str(value) for host, value in wrong.values("msg")["Second"].items()} == {"h2": "7"}, wrong.text  # "nothing"
    found = local.run({"site.yml": FACT}, timeout=300, inventory=HOSTS, env=CHECK, without="note")
    assert_found(found, "Second", "hostvars[h1].token")


def test_a_lost_state_is_found_in_magic_variables(local: Local) -> None:
    playbook = """
- hosts: all
  gather_facts: false
  tasks:
    - {name: First, fail: {msg: x}, when: inventory_hostname == 'h1'}
    - {name: Second, debug: {msg: "{{ ansible_play_hosts }}"}}
    - {name: Third, debug: {msg: over}}
"""
    found = local.run({"site.yml": playbook}, timeout=300, inventory=HOSTS, env=CHECK, without="state")
    assert_found(found, "Second", "h2", "ansible_play_hosts", "ansible_current_hosts", "ansible_failed_hosts")


PLUGIN = """
import os
from ansible.plugins.vars import BaseVarsPlugin
class VarsModule(BaseVarsPlugin):
    def get_vars(self, loader, path, entities, cache=True):
        super().get_vars(loader, path, entities)
        return {"of_process": os.getpid(), "of_all": "same"}
"""


def test_a_vars_plugin_that_knows_its_process_is_found(local: Local) -> None:
    """The last task of the last play too: nothing comes after it that would notice."""
    files = {"site.yml": "- {hosts: h1, gather_facts: false, tasks: [{name: Only, debug: {msg: x}}]}", "vars_plugins/process.py": PLUGIN}
    assert local.run(files, timeout=300, inventory=HOSTS).rc == 0
    found = local.run(files, timeout=300, inventory=HOSTS, env={"MITOPATCH_CHECK": "all"})
    assert_found(found, "Only", "h1", "of_process")
    assert "of_all" not in found.stderr


VALUES = """
import sys
sys.path[:0] = {path!r}
from mitopatch.runtime.digest import Digester
class Thing:
    def __init__(self, x): self.x, self.me = x, self
class Opaque:
    def __reduce_ex__(self, protocol): raise TypeError
def loop():
    found = [1]
    found.append(found)
    return found
words = ["a" * n for n in range(40)]
values = [None, True, 1, 1.5, "x", b"x", [1, [2]], (1, 2), {{"b": 1, "a": 2}}, set(words), frozenset(words), {{"s": set(words)}},
          Thing([1]), Opaque(), loop(), print, Thing]
print([Digester(b"key", lambda value: None).of(value).hex() for value in values])
"""


def test_a_digest_is_the_same_in_every_process() -> None:
    """Addresses and the seed of hashes differ between these two interpreters."""
    code = VALUES.format(path=sys.path)
    found = [
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, timeout=60, check=True
        ).stdout
        for seed in ("1", "2")
    ]
    assert found[0] == found[1]
    assert len(set(eval(found[0]))) == 17


class Text(str):
    """[test] Another type of text."""


DIFFERENT: list[tuple[Any, Any]] = [
    (1, True),
    (1, 1.0),
    ("1", 1),
    ("a", b"a"),
    ("a", Text("a")),
    ([1, 2], [2, 1]),
    ([1, 2], (1, 2)),
    ([[1], 2], [[1, 2]]),
    (["ab", "c"], ["a", "bc"]),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    ({"a": {"b": 1}}, {"a": {"b": 2}}),
    ({1, 2}, {1, 3}),
    ({1}, frozenset({1})),
    (None, "None"),
    ({"a": None}, {}),
]


@pytest.mark.parametrize(("left", "right"), DIFFERENT, ids=repr)
def test_different_values_have_different_digests(left: Any, right: Any) -> None:
    one = Digester(b"key", lambda value: None)
    assert one.of(left) != one.of(right)
    assert one.of(left) == Digester(b"key", lambda value: None).of(left)
    assert one.of(left) != Digester(b"other", lambda value: None).of(left)


def test_what_is_encrypted_is_not_decrypted(bundle_active: str) -> None:
    """No secret is loaded here: to decrypt would raise. The digest tells one cipher text from another."""
    code = f"""
import sys
sys.path[:0] = {sys.path!r}
from mitopatch import versions
import importlib
row = next(row for row in versions.SUPPORTED if row.series == {bundle_active!r})
from mitopatch.runtime.digest import Digester
head = importlib.import_module(f"mitopatch.versions.v{{row.family.replace('.', '_')}}")
try:
    from ansible.parsing.vault import EncryptedString
    texts = [EncryptedString(ciphertext=text) for text in ("$ANSIBLE_VAULT;1.1;AES256 00", "$ANSIBLE_VAULT;1.1;AES256 01")]
except ImportError:
    from ansible.parsing.yaml.objects import AnsibleVaultEncryptedUnicode
    texts = [AnsibleVaultEncryptedUnicode(text) for text in (b"00", b"01")]
digester = Digester(b"key", head.FAMILY.mark)
print(len({{digester.of(text) for text in texts}}), digester.of(texts[0]) == Digester(b"key", head.FAMILY.mark).of(texts[0]))
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert found.stdout.split() == ["2", "True"], found.stderr
