"""[build] Puts mitopatch.pth beside the package and patches/ inside it.

MITOPATCH_BUILD_NO_PTH=1 leaves mitopatch.pth out, for places whose policy forbids .pth files; `mitopatch run` serves there.
"""

from __future__ import annotations

import os
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class MitopatchBuildHook(BuildHookInterface):  # type: ignore[misc]
    """[build] The same for a wheel, a wheel out of an sdist, and an editable install."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """[build] ``version`` is 'editable' for pip install -e: there patches/ is found beside the package, so only the .pth goes in."""
        wanted = {}
        if os.environ.get("MITOPATCH_BUILD_NO_PTH", "") in ("", "0"):
            wanted[os.path.join(self.root, "mitopatch.pth")] = "mitopatch.pth"
        if version == "editable":
            build_data["force_include_editable"].update(wanted)
            return
        wanted[os.path.join(self.root, "patches")] = "mitopatch/_patches"
        build_data["force_include"].update(wanted)
