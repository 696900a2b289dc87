from __future__ import annotations


def measure(word):
    return len(word)
