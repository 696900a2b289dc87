"""The target side: Mitogen's master in a worker, and the connections it makes. The only place that imports Mitogen."""

from __future__ import annotations

import ansible_mitogen.utils

from mitopatch import release
from mitopatch.errors import Reason

# ansible_mitogen reads the first two numbers out of the text, which an epoch ("1:2.16.3-1") shifts: it would refuse to be imported.
_version = release.parse(str(release.installed()))
if not isinstance(_version, Reason):
    ansible_mitogen.utils.ansible_version = _version.release
