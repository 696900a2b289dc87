"""[worker] Imported before ansible_mitogen's modules: tells them the release as mitopatch reads it, and spares them an import.

ansible_mitogen reads the first two numbers out of the text, which an epoch ("1:2.16.3-1") shifts: it would refuse to be imported.

Its planner imports ``ansible.collections.list`` for a function that we do not call, and with it Ansible's galaxy client: 0.13 of the
0.17 s that all of our imports take (2.16).
"""

from __future__ import annotations

import sys
from types import ModuleType

import ansible_mitogen.utils

from mitopatch import release
from mitopatch.errors import Reason

_version = release.parse(str(release.installed()))
if not isinstance(_version, Reason):
    ansible_mitogen.utils.ansible_version = _version.release

_UNUSED = "ansible.collections.list"
if _UNUSED in sys.modules:
    import ansible_mitogen.planner
else:
    sys.modules[_UNUSED] = ModuleType(_UNUSED)
    try:
        import ansible_mitogen.planner
    finally:
        del sys.modules[_UNUSED]
