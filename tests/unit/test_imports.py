"""What a module imports, with the cache and without."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("ansible_mitogen.module_finder", reason="Ansible is not installed, or Mitogen refuses it")


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
    monkeypatch.setattr(finder, "walk_imports", finder.walk_imports)
    monkeypatch.setattr(finder, "compile", compile, raising=False)
    imports.install()
    assert finder.scan(*arguments) == plain
    assert len(list((tmp_path / "cache").iterdir())) > 10
    monkeypatch.setattr(imports, "_walk_imports", lambda *_args: pytest.fail("it looked again"))
    assert finder.scan(*arguments) == plain


def test_a_module_that_cannot_be_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import ansible_mitogen.module_finder as finder

    from mitopatch.targets import imports

    monkeypatch.setenv("MITOPATCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "broken.py").write_text("def f(:\n")
    arguments = ("broken", str(tmp_path / "broken.py"), (str(tmp_path),))
    with pytest.raises(ValueError, match="invalid syntax"):
        finder.scan(*arguments)
    monkeypatch.setattr(finder, "walk_imports", finder.walk_imports)
    monkeypatch.setattr(finder, "compile", compile, raising=False)
    imports.install()
    for _ in range(2):
        with pytest.raises(ValueError, match="invalid syntax"):
            finder.scan(*arguments)
