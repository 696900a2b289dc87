from __future__ import annotations

import os


def size(path):
    return os.stat(path).st_size
