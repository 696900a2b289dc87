from __future__ import annotations

from ansible_collections.my.own.plugins.module_utils import deeper


def decorate(word):
    return f"*{word}*{deeper.LEVEL}"
