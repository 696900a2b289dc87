"""Asks at the terminal, by way of upstream's own action that does."""

from __future__ import annotations

from ansible.plugins.action.pause import ActionModule as Pause


class ActionModule(Pause):
    pass
