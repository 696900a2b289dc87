"""[controller, worker] Python's collector of cycles rests while something large is unpickled.

All that is made there stays, and the collector looks through it again and again meanwhile: half of the time for a list of some hundred
dictionaries with tagged values (ansible-core 2.19).
"""

from __future__ import annotations

import gc
import pickle  # nosec B403 # see objects
from typing import Any

#: Bytes from which on it rests.
LARGE = 20_000


def loads(data: bytes) -> Any:
    """[worker] ``pickle.loads``, of what comes from our own controller."""
    if len(data) < LARGE or not gc.isenabled():
        return pickle.loads(data)  # noqa: S301 # nosec B301 # over an inherited socket pair
    gc.disable()
    try:
        return pickle.loads(data)  # noqa: S301 # nosec B301 # likewise
    finally:
        gc.enable()


def while_reading(queue: Any) -> None:
    """[controller] Have it rest while this ``multiprocessing.SimpleQueue`` unpickles, which one thread reads."""
    get, receive = queue.get, queue._reader.recv_bytes
    resting = False

    def recv_bytes(*args: Any) -> Any:
        nonlocal resting
        data = receive(*args)
        if len(data) >= LARGE and gc.isenabled():
            gc.disable()
            resting = True
        return data

    def rested_get(*args: Any, **kwargs: Any) -> Any:
        nonlocal resting
        try:
            return get(*args, **kwargs)
        finally:
            if resting:
                resting = False
                gc.enable()

    queue._reader.recv_bytes = recv_bytes
    queue.get = rested_get
