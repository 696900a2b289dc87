"""What every bundle promises, in every order of import, apply, apply and undo, each order in a process of its own.

The bundle of the installed release is taken if it is there, and the sample always: the promises are the ledger's.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import sys
from typing import Any

import pytest

from mitopatch import release, select
from tests.bundle.conftest import SAMPLE

STEPS = ["import", "apply", "apply", "undo", "apply"]
ORDERS = [*sorted(set(itertools.permutations(STEPS))), ("apply", "undo", "apply", "undo"), ("undo", "undo")]
PROGRAM = """
import importlib, json, os, sys, traceback
from mitopatch import autoload, bootstrap, hook, ledger
from mitopatch.declare import MISSING, Site
hook.remove(autoload.finder)
if {sample!r} == "sample":
    sys.path.insert(0, {folder!r})
    import sample
    sample.install()
    import ansible.plugins.loader, ansible.template  # what every order would import first, and the sample does not touch
book = bootstrap.open_ledger().ledger

def values():
    found = {{}}
    for declaration in book.bundle.declarations:
        site = Site(importlib.import_module(declaration.module), declaration.name)
        found[declaration.key] = site.own
    return found

def same(one, other):
    return [key for key in one if one[key] is not other[key]]

def load():
    for name in book.bundle.modules:
        importlib.import_module(name)

changing = {{entry.declaration.key for entry in book.entries if entry.declaration.kind != "relies"}}

def walk(order):
    patched = None
    for step in order:
        if step == "import":
            load()
        elif step == "apply":
            reason = book.apply()
            assert reason is None, reason
            now = values()
            if patched is not None:
                assert same(patched, now) == [], "applied twice, wrapped twice"
            patched = now
            assert {{entry.state for entry in book.entries}} == {{"applied"}}
            assert book.applied
            for key in changing:
                assert now[key] is not ledger.original(key), key
        else:
            was = book.applied
            assert book.undo() is None
            assert not book.applied
            patched = None
            if was:
                assert {{entry.state for entry in book.entries}} == {{"undone"}}
                now = values()
                for key in changing:
                    assert now[key] is MISSING or now[key] is ledger.original(key), key

# Nothing is imported or applied in this process itself: each order begins where this one stands, in a child of its own.
for order in json.loads({orders!r}):
    child = os.fork()
    if not child:
        try:
            walk(order)
            print("KEPT", "-".join(order), flush=True)
        except BaseException:
            print("BROKEN", "-".join(order), file=sys.stderr)
            traceback.print_exc()
        sys.stderr.flush()
        os._exit(0)
    os.waitpid(child, 0)
"""


def bundles() -> list[str]:
    found = release.installed()
    row = select.choose(found, "fallback").row if isinstance(found, str) else None
    real = row is not None and importlib.util.find_spec(row.module) is not None
    return ["sample", "real"] if real else ["sample"]


@pytest.mark.parametrize("which", bundles())
def test_promises_hold_in_every_order(process: Any, which: str) -> None:
    text = PROGRAM.format(sample=which, folder=os.path.dirname(SAMPLE), orders=json.dumps(ORDERS))
    done = process(sys.executable, "-c", text)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"KEPT {'-'.join(order)}" for order in ORDERS], done.stderr


@pytest.mark.parametrize("which", bundles()[1:])
def test_real_bundle_is_in_force_here(process: Any, which: str) -> None:
    """The first thing an environment proves: what it tests is patched. A plain run cannot pass as green."""
    done = process(sys.executable, "-m", "mitopatch", "verify")
    assert done.returncode == 0, done.stdout + done.stderr
