"""What Mitogen works out from the text of a module, with the cache and without."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

pytest.importorskip("ansible_mitogen.module_finder", reason="Ansible is not installed, or Mitogen refuses it")


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it puts in place goes with the test."""
    import ansible_mitogen.module_finder as finder
    import mitogen.imports
    import mitogen.master
    import mitogen.minify

    from mitopatch.targets import imports

    for module, name in ((finder, "walk_imports"), (mitogen.imports, "codeobj_imports"), (mitogen.minify, "minimize_source")):
        monkeypatch.setattr(module, name, getattr(module, name))
    for module in (finder, mitogen.master):
        monkeypatch.setattr(module, "compile", compile, raising=False)
    imports.install()


@pytest.mark.parametrize("name", ["command", "setup"])
def test_the_same_names_from_the_cache(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import ansible.module_utils
    import ansible.modules
    import ansible_mitogen.module_finder as finder

    from mitopatch.targets import imports

    monkeypatch.setenv("MITOPATCH_CACHE", str(tmp_path / "cache"))
    module = os.path.join(os.path.dirname(ansible.modules.__file__), f"{name}.py")
    arguments = (f"ansible_module_{name}", module, (os.path.dirname(ansible.module_utils.__file__),))
    plain = finder.scan(*arguments)
    install(monkeypatch)
    assert finder.scan(*arguments) == plain
    assert len(list((tmp_path / "cache").iterdir())) > 10
    monkeypatch.setattr(imports, "_walk_imports", lambda *_args: pytest.fail("it looked again"))
    assert finder.scan(*arguments) == plain


def test_a_module_that_cannot_be_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import ansible_mitogen.module_finder as finder

    monkeypatch.setenv("MITOPATCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "broken.py").write_text("def f(:\n")
    arguments = ("broken", str(tmp_path / "broken.py"), (str(tmp_path),))
    with pytest.raises(ValueError, match="invalid syntax"):
        finder.scan(*arguments)
    install(monkeypatch)
    for _ in range(2):
        with pytest.raises(ValueError, match="invalid syntax"):
            finder.scan(*arguments)


def test_the_same_related_modules_and_the_same_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import mitogen.master
    import mitogen.minify

    from mitopatch.targets import imports

    monkeypatch.setenv("MITOPATCH_CACHE", str(tmp_path / "cache"))
    names = ("ansible.module_utils.basic", "ansible.module_utils.common.text.converters", "ansible_mitogen.target", "mitogen.core")
    sources = [Path(str(sys.modules[name].__file__)).read_bytes() for name in names if name in sys.modules]

    def found() -> list[object]:
        finder = mitogen.master.ModuleFinder()
        return [[finder.find_related_imports(name) for name in names], [mitogen.minify.minimize_source(source) for source in sources]]

    plain = found()
    assert plain[0][0], "nothing related"  # type: ignore[index]
    install(monkeypatch)
    assert found() == plain
    for name in ("_codeobj_imports", "_minimize_source"):
        monkeypatch.setattr(imports, name, lambda *_args: pytest.fail("it looked again"))
    assert found() == plain
