"""The house rules, read from the source: who may import what, where versions are compared, what a text must have."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import mitopatch
import mitopatch_autoload

PACKAGE = Path(mitopatch.__file__).parent
MODULES = sorted(path for path in PACKAGE.rglob("*.py"))
ROOT = PACKAGE.parent

# Lower number = lower layer; a module imports only from its own number or below, and the engine's packages have their own rules.
LAYERS = {
    "": 0,
    "errors": 0,
    "fingerprint": 0,
    "autoload": 0,
    "settings": 1,
    "release": 1,
    "archive": 1,
    "lookup": 1,
    "fetch": 1,
    "body": 1,
    "diffs": 1,
    "recompile": 1,
    "cache": 1,
    "declare": 1,
    "versions": 1,
    "ledger": 2,
    "hook": 2,
    "verdicts": 2,
    "select": 3,
    "mitogen_release": 3,
    "bootstrap": 4,
    "versions.aliases": 2,
    "versions.probe": 2,
    "launch": 5,
    "demo": 5,
    "report": 5,
    "verify": 5,
    "show": 5,
    "cli": 6,
    "__main__": 6,
}


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imports(path: Path, top_only: bool = False) -> Iterator[tuple[str, ast.stmt]]:
    """Dotted names imported, types-only imports left out."""

    def walk(node: ast.AST) -> Iterator[tuple[str, ast.stmt]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
                continue
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield alias.name, child
            elif isinstance(child, ast.ImportFrom) and not child.level:
                for alias in child.names:
                    yield f"{child.module}.{alias.name}", child
            elif not (top_only and isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef))):
                yield from walk(child)

    yield from walk(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_ansible_only_under_versions_and_mitogen_only_under_targets(path: Path) -> None:
    inside = path.relative_to(PACKAGE).parts[0]
    for name, _node in imports(path):
        head = name.partition(".")[0]
        assert head != "ansible" or inside == "versions", f"{name} in {path.name}"
        assert head not in ("mitogen", "ansible_mitogen") or inside in ("targets", "versions"), f"{name} in {path.name}"
        if head in ("mitogen", "ansible_mitogen"):
            assert inside == "targets", f"{name} in {path.name}"


@pytest.mark.parametrize("path", [path for path in MODULES if name_of(path) in LAYERS], ids=name_of)
def test_imports_go_down(path: Path) -> None:
    mine = LAYERS[name_of(path)]
    # The two entrances of an import hook are called from below by design: autoload -> hook -> bootstrap, inside functions.
    for name, _node in imports(path, top_only=name_of(path) in ("autoload", "hook")):
        if not name.startswith("mitopatch."):
            continue
        target = name[len("mitopatch.") :]
        while target and target not in LAYERS:
            target = target.rpartition(".")[0]
        assert LAYERS[target] <= mine, f"{name_of(path)} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_module_with_a_layer_is_listed(path: Path) -> None:
    name = name_of(path)
    engine = name.startswith(("runtime", "targets", "versions.v2_", "versions._", "versions."))
    assert engine or name in LAYERS, f"{name} has no layer in this test"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_versions_are_compared_in_one_place(path: Path) -> None:
    if name_of(path) in ("select", "versions", "release"):
        return
    for name, _node in imports(path):
        assert not name.startswith("packaging"), f"{path.name}: {name}"
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"__version__\s*(?:[<>]=?|==|!=|\.startswith|\.split)", text), path.name
    assert not re.search(r"sys\.version_info\s*[<>]", text), path.name


@pytest.mark.parametrize("path", [path for path in MODULES if name_of(path) != "ledger"], ids=name_of)
def test_only_the_ledger_patches_ansible(path: Path) -> None:
    """setattr/delattr on what came out of an import; our own objects may be set by attribute."""
    if path.relative_to(PACKAGE).parts[0] in ("runtime", "targets"):
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("setattr", "delattr"), f"{path.name}:{node.lineno}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_public_docstrings_say_in_which_process(path: Path) -> None:
    """What is public says what it does; its docstring or its module's begins with the process: [controller], [worker], [target]."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    by_module = (ast.get_docstring(tree) or "").startswith("[")
    overriding = name_of(path).startswith(("runtime", "targets", "versions."))  # what an interface has documented

    def check(node: ast.AST, inside_function: bool, inside_class: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                if not child.name.startswith("_") and not inside_function:
                    text = ast.get_docstring(child) or ""
                    assert text or (inside_class and overriding), f"{path.name}:{child.lineno} {child.name}"
                    assert not text or by_module or text.startswith("[") or inside_class, f"{path.name}:{child.lineno} {child.name}"
                is_class = isinstance(child, ast.ClassDef)
                check(child, inside_function or not is_class, inside_class or is_class)

    check(tree, False, False)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_files_stay_small_and_are_named(path: Path) -> None:
    assert path.name != "utils.py"
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, f"{path.name}: split it where a reader would want a door"


def test_texts_for_users_stand_in_errors_py() -> None:
    for path in MODULES:
        if path.name != "errors.py":
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.match(r"MP\d{3} ", node.value):
                    pytest.fail(f"{path.name}:{node.lineno}: a text outside errors.py")


def test_codes_that_are_used_exist_and_each_code_is_written_once() -> None:
    from mitopatch.errors import TEXTS

    source = (PACKAGE / "errors.py").read_text(encoding="utf-8")
    for code in TEXTS:
        assert len(re.findall(rf'"{code}":', source)) == 1, code
    used = {code for path in MODULES for code in re.findall(r'Reason\(\s*"(MP\d{3})"', path.read_text(encoding="utf-8"))}
    assert used <= set(TEXTS)


def test_start_of_the_interpreter_reads_one_small_file() -> None:
    assert {name for name, _node in imports(Path(mitopatch_autoload.__file__), top_only=True)} <= {"sys", "os"}
    assert list(imports(PACKAGE / "__init__.py")) == []
    assert "from __future__" not in Path(mitopatch_autoload.__file__).read_text(encoding="utf-8")


def test_python_39_can_read_every_file() -> None:
    for path in MODULES:
        ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))


@pytest.mark.skipif(not (ROOT / "README.md").exists(), reason="not a checkout")
def test_readme_names_every_series_and_switch() -> None:
    from mitopatch import settings

    readme = pytest.importorskip("maintenance.readme")
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme.written(text) == text, "README.md is behind mitopatch/versions/__init__.py: run nox -s matrix"
    for switch in settings.SWITCHES:
        assert f"`{switch.name}`" in text, switch.name


@pytest.mark.skipif(not (ROOT / "pyproject.toml").exists(), reason="not a checkout")
@pytest.mark.parametrize("python", ["3.9", "3.10", "3.11", "3.12", "3.13", "3.14"])
def test_the_demo_brings_the_newest_series_for_each_python(python: str) -> None:
    from packaging.requirements import Requirement

    from mitopatch import versions

    listed = re.findall(r"^    '(ansible-core==.+)',$", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    brought = [wanted for wanted in map(Requirement, listed) if wanted.marker is None or wanted.marker.evaluate({"python_version": python})]
    tested = [row.series for row in versions.SUPPORTED if python in row.pythons and row.status == "tested"]
    assert [str(wanted.specifier) for wanted in brought] == [f"=={tested[-1]}.*"]


def test_a_family_head_says_what_its_members_are() -> None:
    """Read, not imported: the tests may run where the bundles cannot be. `maintenance.new_core` writes members that call it."""
    from mitopatch import versions

    for row in versions.SUPPORTED:
        text = (PACKAGE / "versions" / f"{row.module.rpartition('.')[2]}.py").read_text(encoding="utf-8")
        if row.series == row.family:
            assert "\ndef declared(series: str) -> Bundle:\n" in text, row.module
            assert f'\nBUNDLE = declared("{row.series}")\n' in text, row.module
