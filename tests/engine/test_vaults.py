"""What is encrypted is decrypted once in a worker, with the secrets of the run, and what cannot be says so each time."""

from __future__ import annotations

from typing import Any

import pytest
from testbed.compare import assert_same

from .conftest import Local

vault = pytest.importorskip("ansible.parsing.vault", reason="ansible-core is not installed")

SITE = """
- hosts: all
  gather_facts: false
  tasks:
    - debug: {msg: "{{ one }} {{ two }} {{ one | length }} {{ map.of }}"}
    - set_fact: {three: "{{ one }}{{ two }}", four: "{{ map }}"}
    - debug: {msg: "{{ three }} {{ four }} {{ hostvars.h1.one }}"}
      when: one == 'first'
    - debug: {msg: "{{ wrong }}"}
      ignore_errors: true
    - debug: {msg: "{{ wrong | length }}"}
      ignore_errors: true
    - include_vars: whole.yml
    - debug: {msg: "{{ whole }} {{ one }}"}
    - copy: {src: secret.txt, dest: "{{ playbook_dir }}/targets/{{ inventory_hostname }}"}
"""


def encrypted(text: str, secret: bytes = b"sesame") -> str:
    found: bytes = vault.VaultLib([("default", vault.VaultSecret(secret))]).encrypt(text)
    return found.decode()


def inline(name: str, text: str, secret: bytes = b"sesame", indent: str = "") -> str:
    lines = "".join(f"{indent}  {line}\n" for line in encrypted(text, secret).splitlines())
    return f"{indent}{name}: !vault |\n{lines}"


def test_same_as_plain(local: Local) -> None:
    files = {
        "site.yml": SITE,
        "pass": "sesame\n",
        "whole.yml": encrypted("whole: all of it\n"),
        "files/secret.txt": encrypted("a file\n"),
        "group_vars/all.yml": inline("one", "first")
        + inline("two", "{{ one }}")
        + inline("wrong", "never", b"other")
        + "map:\n"
        + inline("of", "inner", indent="  "),
    }
    plain, patched = local.both(files, hosts=3, args=["--vault-password-file", "pass"], timeout=200)
    assert plain.rc == 0, plain.text
    assert_same(plain, patched)


@pytest.fixture
def decrypted(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The texts that upstream has decrypted, with the shortcut in place."""
    from mitopatch.versions import vaults

    texts: list[Any] = []
    upstream = vault.VaultLib.decrypt

    def counted(self: Any, vaulttext: Any, *args: Any, **kwargs: Any) -> Any:
        texts.append(vaulttext)
        return upstream(self, vaulttext, *args, **kwargs)

    monkeypatch.setattr(vault.VaultLib, "decrypt", counted)
    vaults.install()
    return texts


def test_once(decrypted: list[Any]) -> None:
    secrets = [("default", vault.VaultSecret(b"sesame"))]
    library, other = vault.VaultLib(secrets), vault.VaultLib([("default", vault.VaultSecret(b"wrong"))])
    text = encrypted("inside").encode()
    assert [library.decrypt(text) for _ in range(3)] == [b"inside"] * 3
    assert vault.VaultLib(list(secrets)).decrypt(text) == b"inside"
    assert len(decrypted) == 1
    for _ in range(2):
        with pytest.raises(vault.AnsibleError):
            other.decrypt(text)
    assert len(decrypted) == 3
    with pytest.raises(vault.AnsibleError):
        vault.VaultLib(None).decrypt(text)
