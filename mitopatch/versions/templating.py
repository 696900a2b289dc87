"""[worker] A templating engine over some variables, whatever this release calls it."""

from __future__ import annotations

from typing import Any, Dict

from ansible.template import Templar


def templar(loader: Any, variables: Dict[str, Any]) -> Any:
    """``ansible.template.Templar``, which all supported releases have under this name."""
    return Templar(loader=loader, variables=variables)
