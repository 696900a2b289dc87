"""Runs in each interpreter of the hostile target, before Mitogen does: starts an attack beside it."""

import os

if os.environ.get("HOSTILE_ATTACK"):
    import kit

    kit.start()
