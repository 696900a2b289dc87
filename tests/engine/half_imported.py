"""A program: one thread imports a plugin whose file blocks, another asks for the same plugin."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import types
from typing import Any


def main() -> None:
    gate: Any = types.ModuleType("gate")
    gate.entered, gate.go = threading.Event(), threading.Event()
    sys.modules["gate"] = gate
    from ansible.plugins import loader

    from mitopatch import bootstrap
    from mitopatch.versions import plugin_lock

    reason = bootstrap.open_ledger().ledger.apply()
    if reason is not None:
        raise SystemExit(reason.text)
    if sys.argv[2] == "open":
        plugin_lock._lock = contextlib.nullcontext()  # type: ignore[assignment]
    loader.action_loader.add_directory(sys.argv[1])
    found: dict[str, Any] = {}

    def ask(name: str) -> None:
        try:
            plugin = loader.action_loader.get("slow", class_only=True)
            found[name] = plugin.__name__ if plugin is not None else None
        except BaseException as exc:
            found[name] = f"{type(exc).__name__}: {exc}"

    threads = {name: threading.Thread(target=ask, args=(name,), daemon=True) for name in ("first", "second")}
    threads["first"].start()
    if not gate.entered.wait(20):
        raise SystemExit("the plugin was never imported")
    threads["second"].start()
    # Without the lock it has its wrong answer at once; with it, it can have none before the gate opens.
    threads["second"].join(1)
    waited = threads["second"].is_alive()
    gate.go.set()
    for thread in threads.values():
        thread.join(20)
    found["second waited"] = waited
    found["all"] = any(plugin.__module__.endswith(".slow") for plugin in loader.action_loader.all(class_only=True))
    sys.stdout.write("\n" + json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
