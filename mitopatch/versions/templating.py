"""[worker] A templating engine over some variables, whatever this release calls it."""

from __future__ import annotations

from typing import Any

from ansible.template import Templar


def templar(loader: Any, variables: dict[str, Any]) -> Any:
    """``ansible.template.Templar``, which all supported releases have under this name."""
    return Templar(loader=loader, variables=variables)
