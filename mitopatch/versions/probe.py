"""[cli] What only an imported Ansible can tell. Not used by a running playbook."""

from __future__ import annotations

from typing import Optional


def config_file() -> Optional[str]:
    """[cli] The ansible.cfg that Ansible chooses in the current directory, or None. Raises what a broken one makes Ansible raise."""
    from ansible import constants

    found: Optional[str] = constants.CONFIG_FILE
    return found
