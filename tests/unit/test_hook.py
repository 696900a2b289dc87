"""The import hook on packages of its own: seen once, loaders put back, nobody's import broken."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mitopatch import bootstrap, hook
from mitopatch.autoload import Finder


@pytest.fixture
def finder(tmp_path: Path) -> Iterator[Finder]:
    package = tmp_path / "hooked"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "one.py").write_text("LOADER = type(__loader__).__name__\nSPEC = type(__spec__.loader).__name__\n")
    (package / "broken.py").write_text("1 / 0\n")
    made = Finder()
    made.wanted = {}
    sys.path.insert(0, str(tmp_path))
    sys.meta_path.insert(0, made)  # type: ignore[arg-type]
    yield made
    sys.path.remove(str(tmp_path))
    if made in sys.meta_path:
        sys.meta_path.remove(made)  # type: ignore[arg-type]
    for name in [name for name in sys.modules if name.startswith("hooked")]:
        del sys.modules[name]


def test_called_once_after_execution_with_the_real_loader(finder: Finder) -> None:
    seen: list[tuple[ModuleType, str]] = []
    finder.wanted["hooked.one"] = lambda module: seen.append((module, module.LOADER))
    module = importlib.import_module("hooked.one")
    assert seen == [(module, "SourceFileLoader")]
    assert module.SPEC == "SourceFileLoader", "already during the execution"
    assert type(module.__loader__).__name__ == type(module.__spec__.loader).__name__ == "SourceFileLoader"
    assert "LOADER" in inspect.getsource(module)
    importlib.reload(module)
    assert len(seen) == 1


def test_asking_for_the_spec_gives_the_real_answers(finder: Finder) -> None:
    finder.wanted["hooked.one"] = lambda module: None
    spec: Any = importlib.util.find_spec("hooked.one")
    assert spec.origin.endswith("one.py")
    assert "LOADER" in spec.loader.get_source("hooked.one")
    assert spec.loader.get_filename("hooked.one") == spec.origin


def test_failing_import_stays_what_it_is(finder: Finder) -> None:
    finder.wanted["hooked.broken"] = lambda module: pytest.fail("not executed")
    with pytest.raises(ZeroDivisionError):
        importlib.import_module("hooked.broken")
    finder.wanted["hooked.nothing"] = lambda module: None
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("hooked.nothing")


def test_our_own_failure_is_one_line_and_the_import_goes_on(
    finder: Finder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MITOPATCH_DEBUG", raising=False)
    # Ansible's display may be imported in this process by another test; here the plain way is looked at.
    monkeypatch.setitem(sys.modules, "ansible.utils.display", None)
    finder.wanted["hooked.one"] = lambda module: 1 / 0
    assert importlib.import_module("hooked.one").LOADER
    found = capsys.readouterr().err
    assert found.count("\n") == 1
    assert "MP130" in found
    assert "ZeroDivisionError" in found


def test_a_finder_that_asks_everybody_is_no_loop(finder: Finder) -> None:
    class Asking:
        busy = False

        def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
            if name != "hooked.one" or self.busy:
                return None
            self.busy = True
            try:
                return importlib.util.find_spec(name)
            finally:
                self.busy = False

    asking = Asking()
    sys.meta_path.insert(1, asking)  # type: ignore[arg-type]
    try:
        seen: list[str] = []
        finder.wanted["hooked.one"] = lambda module: seen.append(module.__name__)
        importlib.import_module("hooked.one")
        assert seen == ["hooked.one"]
    finally:
        sys.meta_path.remove(asking)  # type: ignore[arg-type]


def test_removed_finder_waits_for_nothing(finder: Finder) -> None:
    finder.wanted["hooked.one"] = lambda module: pytest.fail("removed")
    hook.remove(finder)
    hook.remove(finder)
    importlib.import_module("hooked.one")


def test_half_imported_modules_postpone(finder: Finder, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []
    monkeypatch.setattr(bootstrap, "run", bootstrap._Run())
    monkeypatch.setattr(bootstrap, "_apply_aliases", lambda: begun.append("aliases"))
    for name in ("ansible.plugins.strategy", bootstrap.QUEUE_MANAGER):
        module = ModuleType(name)
        spec: Any = importlib.util.spec_from_loader(name, loader=None)
        spec._initializing = True
        module.__spec__ = spec
        monkeypatch.setitem(sys.modules, name, module)
    bootstrap.executed(sys.modules[bootstrap.QUEUE_MANAGER], finder)
    assert begun == [], "the strategies are still half imported"
    bootstrap.executed(sys.modules["ansible.plugins.strategy"], finder)
    assert begun == ["aliases"]
