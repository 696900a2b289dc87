"""[worker] What is encrypted by Vault is decrypted once, not each time it is read (up to 2.18).

Upstream derives a key for each reading of a ``!vault`` value, which takes 2 ms, and every template that names it is a reading, for every
host-task. From 2.19 on such a value keeps what it holds by itself.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from ansible import constants
from ansible.parsing.vault import VaultLib
from ansible.utils.display import Display

from mitopatch.runtime.bounded import Bounded

display = Display()

#: Texts that are kept, and how long they may be.
MOST = 1000
LONGEST = 1 << 20
#: From here on upstream tells how it tries one secret after the other.
TOLD = 5


def install() -> None:
    """Put it in place; this process is a worker for the rest of its life."""
    decrypt = VaultLib.decrypt
    #: By text and secrets: the objects that know the secrets are kept, so that their ids stay theirs.
    known: dict[Hashable, tuple[list[Any], Any]] = Bounded(MOST)

    def decrypt_once(self: Any, vaulttext: Any, *args: Any, **kwargs: Any) -> Any:
        secrets = self.secrets
        if not secrets or display.verbosity >= TOLD or not isinstance(vaulttext, (bytes, str)) or len(vaulttext) > LONGEST:
            return decrypt(self, vaulttext, *args, **kwargs)
        key = (type(vaulttext), vaulttext, tuple((name, id(secret)) for name, secret in secrets), constants.DEFAULT_VAULT_ID_MATCH)
        kept = known.get(key)
        if kept is None:
            plain = decrypt(self, vaulttext, *args, **kwargs)
            kept = known[key] = (list(secrets), plain)
        return kept[1]

    VaultLib.decrypt = decrypt_once
