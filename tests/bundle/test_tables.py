"""Tables, bundles and the installed ansible-core agree: read as source and in memory, with the real bundles, in processes of their own."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import pytest

from mitopatch import release, select
from mitopatch.targets.relied_on import RELIED_ON

BUNDLES = """
import json, os, sys
from mitopatch import select, verdicts, versions
found = {}
for row in versions.SUPPORTED:
    with open(os.path.join(select.FINGERPRINTS, row.series + ".json")) as file:
        table = json.load(file)
    for item in verdicts.declarations(select.bundle_of(row)):
        spans = set(", ".join(table["symbols"].get(item.key, {}).values()).split(", "))
        signature = getattr(item, "signature", None)
        wanted = None if signature is None else {", ".join(signature): table["releases"]}
        if spans == {""}:
            found[row.series + " " + item.key] = "no fingerprint"
        elif not table["aside"] and wanted is not None and table["parameters"].get(item.key) != wanted:
            found[row.series + " " + item.key] = "other parameters"
print(json.dumps(found))
"""
MEMORY = """
import importlib, json, os, sys
from types import FunctionType
from mitopatch import archive, fingerprint, lookup, release, select
from mitopatch.declare import Site
import ansible
row = select.choose(release.installed()).row
with open(os.path.join(select.FINGERPRINTS, row.series + ".json")) as file:
    table = json.load(file)
source = lookup.Lookup(archive.Archive(os.path.dirname(ansible.__file__)))
found = {}
for key in table["symbols"]:
    module, _, name = key.partition(":")
    site = Site(importlib.import_module(module), name)
    symbol = source.find(module, name)
    if isinstance(fingerprint.plain(site.value), (FunctionType, type)):
        memory = [fingerprint.of_object(site.value), fingerprint.parameters(site.value)]
        if memory != [symbol.mark, symbol.parameters]:
            found[key] = [memory, symbol.mark, symbol.parameters]
print(json.dumps(found))
"""


def test_every_declaration_of_every_series_is_in_its_table(process: Any) -> None:
    done = process(sys.executable, "-c", BUNDLES)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {}


@pytest.fixture
def supported() -> None:
    if select.choose(str(release.installed()), "fallback").row is None:
        pytest.skip("no bundle for this ansible-core")


def test_memory_and_source_agree(process: Any, supported: None) -> None:
    done = process(sys.executable, "-c", MEMORY)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {}


def test_verify_says_the_same_of_memory_and_source(process: Any, supported: None) -> None:
    """Both with the real bundle: what is installed, applied and taken back, and its folder, only read."""
    here = process(sys.executable, "-m", "mitopatch", "verify")
    folder = process(sys.executable, "-c", "import ansible, os; print(os.path.dirname(ansible.__file__))").stdout.strip()
    read = process(sys.executable, "-m", "mitopatch", "verify", "--release", folder)
    for done in (here, read):
        assert done.returncode == 0, done.stdout + done.stderr
    lines = [[line for line in done.stdout.splitlines() if line.startswith("same ")] for done in (here, read)]
    of_mitogen = {line for line in lines[0] if line.split()[2].startswith(("mitogen.", "ansible_mitogen."))}
    assert len(of_mitogen) == len(RELIED_ON)
    assert set(lines[0]) - of_mitogen <= set(lines[1])
    assert len(lines[0]) == len(here.stdout.splitlines()) - 1
    assert f"for ansible-core {release.installed()}" in read.stdout
    assert os.path.isdir(folder)
