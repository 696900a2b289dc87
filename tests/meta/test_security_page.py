"""docs/security.md says what is so: its tables are those of the code, and the tests that it names are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs/security.md"
pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="not a checkout")


def first_cells(heading: str, header: str) -> set[str]:
    """What stands in backticks in the first column of a table."""
    section = PAGE.read_text(encoding="utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = section.partition(f"| {header} |")[2].partition("\n\n")[0].splitlines()[2:]
    return {cell for row in rows for cell in re.findall(r"`([^`]+)`", row.split("|")[1])}


def test_what_a_target_may_send_is_listed() -> None:
    core = pytest.importorskip("mitogen.core")
    pytest.importorskip("ansible_mitogen.connection")
    from mitopatch.targets import served, trust

    listed = first_cells("What a target may send", "message")
    assert {getattr(core, name) for name in listed} == set(trust.HANDLES)
    methods = first_cells("What a target may send", "service and method")
    assert methods == {f"{service.rpartition('.')[2]}.{method}" for service, method in served.SERVED}


def test_tests_that_are_named_exist() -> None:
    text = PAGE.read_text(encoding="utf-8")
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    table = text.partition("## Who can do what to whom")[2].partition("\n## ")[0]
    attacks = {name for row in table.splitlines() if row.startswith("|") for name in re.findall(r"`(\w+)`", row.rsplit("|", 2)[1])}
    assert len(attacks) > 10
    for name in attacks | set(re.findall(r"`(test_\w+)`", text)):
        prefix = name.rstrip("_")
        assert re.search(rf"\b{prefix}", tests), name
    for path in re.findall(r"`(tests/[\w/]+\.py)`", text):
        assert (ROOT / path).exists(), path


def test_the_worker_listens_to_nothing_else() -> None:
    """The handles below those of answers are those of the list; another one that Mitogen adds must be seen here."""
    master = pytest.importorskip("mitogen.master")
    pytest.importorskip("ansible_mitogen.connection")
    import mitogen.service

    from mitopatch.targets import served, trust

    router = trust.Router(master.Broker(install_watcher=False))
    pool = served.Pool(router, size=1)
    try:
        assert {handle for handle in router._handle_map if handle < trust.FIRST_ANSWER} == set(trust.HANDLES)
        assert isinstance(pool, mitogen.service.Pool)
    finally:
        pool.stop(join=False)
        router.broker.shutdown()
        router.broker.join()
        pool.join()
