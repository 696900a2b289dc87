"""[worker] Imported before ansible_mitogen's modules: tells them the release as mitopatch reads it.

ansible_mitogen reads the first two numbers out of the text, which an epoch ("1:2.16.3-1") shifts: it would refuse to be imported.
"""

from __future__ import annotations

import ansible_mitogen.utils

from mitopatch import release
from mitopatch.errors import Reason

_version = release.parse(str(release.installed()))
if not isinstance(_version, Reason):
    ansible_mitogen.utils.ansible_version = _version.release
