"""A program with a pool: it starts two workers, each with a job that never ends, says their pids, and waits to be killed."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from tests.engine.seams import Rig, Task


def main() -> None:
    rig = Rig(2)
    began = Path(sys.argv[1])
    for host in ("h1", "h2"):
        rig.send(host, Task("hang", began=str(began)))
    if len(sys.argv) > 2:  # a fork as upstream's own workers are: it must not keep our workers alive
        from tests.engine.seams import CONTEXT

        CONTEXT.Process(target=threading.Event().wait, args=(30,), daemon=True).start()
    rig.until(lambda: all(began.with_suffix(f".{host}").exists() for host in ("h1", "h2")))
    sys.stdout.write(" ".join(map(str, rig.pids())) + "\n")
    sys.stdout.flush()
    threading.Event().wait(60)


if __name__ == "__main__":
    main()
