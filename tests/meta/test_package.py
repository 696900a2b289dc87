"""The built package: what is in it, that each way of installing activates, that uninstalling leaves nothing.

Slow: builds a wheel and makes environments. They see the packages of the environment that runs the tests through one .pth
line, so that nothing but mitopatch itself is installed into them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest

from mitopatch import mitogen_release, versions

ROOT = Path(__file__).parent.parent.parent
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (ROOT / "pyproject.toml").exists(), reason="not a checkout"),
]
hatchling = pytest.importorskip("hatchling", reason="hatchling builds the package")


def run(*arguments: Any, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "MITOPATCH", "PYTHONPATH"))}
    return subprocess.run(
        [str(argument) for argument in arguments],
        env={**kept, **environ},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def build(kind: str, folder: Path, source: Path = ROOT, **environ: str) -> Path:
    done = run(
        sys.executable,
        "-c",
        f"import os; os.chdir({str(source)!r}); import hatchling.build as b; print(b.build_{kind}({str(folder)!r}))",
        **environ,
    )
    assert done.returncode == 0, done.stderr
    return folder / done.stdout.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", tmp_path_factory.mktemp("wheel"))


def names(path: Path) -> set[str]:
    with zipfile.ZipFile(path) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def test_wheel_holds_what_it_should(wheel: Path) -> None:
    found = names(wheel)
    assert "mitopatch.pth" in found
    patches = {
        f"mitopatch/_patches/{path.relative_to(ROOT / 'patches').as_posix()}" for path in (ROOT / "patches").rglob("*") if path.is_file()
    }
    assert "mitopatch/_patches/README.md" in patches
    assert {name for name in found if name.startswith("mitopatch/_patches/")} == patches
    assert {f"mitopatch/versions/fingerprints/{row.series}.json" for row in versions.SUPPORTED} <= found
    assert f"mitopatch/versions/fingerprints/{mitogen_release.TABLE}" in found
    assert "mitopatch/demo_files/site.yml" in found
    assert {name.partition("/")[0] for name in found} == {"mitopatch", "mitopatch.pth", "mitopatch_autoload.py"}
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read("mitopatch.pth") == b"import mitopatch_autoload\n"


def test_wheel_without_the_start_line(tmp_path: Path, wheel: Path) -> None:
    assert names(wheel) - names(build("wheel", tmp_path, MITOPATCH_BUILD_NO_PTH="1")) == {"mitopatch.pth"}


def test_wheel_out_of_the_sdist_is_the_same(tmp_path: Path, wheel: Path) -> None:
    sdist = build("sdist", tmp_path)
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "out")
    (source,) = (tmp_path / "out").iterdir()
    assert names(build("wheel", tmp_path, source)) == names(wheel)


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    folder = tmp_path / "env"
    venv.create(folder, with_pip=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    # addsitedir would run this environment's own mitopatch.pth: a plain path line does not.
    (site / "_borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


def tree(folder: Path) -> set[str]:
    # pip's own files change by being used; everything else counts.
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if "/pip" not in str(path) and "__pycache__" not in str(path)} | {
        str(path.relative_to(folder)) for path in folder.rglob("*mitopatch*")
    }


HOOKED = "import sys; print([type(f).__name__ for f in sys.meta_path if type(f).__module__ == 'mitopatch_autoload'])"


def test_install_activates_and_uninstall_leaves_nothing(environment: Path, wheel: Path) -> None:
    python = environment / "bin" / "python"
    assert run(python, "-c", HOOKED).stdout.strip() == "[]"
    before = tree(environment)
    done = run(python, "-m", "pip", "install", "--no-index", "--no-deps", "--force-reinstall", wheel)
    assert done.returncode == 0, done.stderr
    assert run(python, "-c", HOOKED).stdout.strip() == "['Finder']"
    assert run(environment / "bin" / "mitopatch", "list").returncode == 0
    assert "installed (mitopatch.pth)" in run(environment / "bin" / "mitopatch", "status").stdout
    assert run(python, "-m", "pip", "uninstall", "-y", "mitopatch").returncode == 0
    assert tree(environment) == before
    assert run(python, "-c", HOOKED).stdout.strip() == "[]"


def test_editable_install_activates(environment: Path, tmp_path: Path) -> None:
    pytest.importorskip("editables", reason="hatchling needs it for an editable install")
    python = environment / "bin" / "python"
    before = tree(environment)
    done = run(python, "-m", "pip", "install", "--no-index", "--no-deps", "--no-build-isolation", "-e", ROOT)
    assert done.returncode == 0, done.stderr
    assert run(python, "-c", HOOKED).stdout.strip() == "['Finder']"
    assert run(python, "-c", "import mitopatch; print(mitopatch.__file__)").stdout.strip() == str(ROOT / "mitopatch" / "__init__.py")
    assert run(python, "-m", "pip", "uninstall", "-y", "mitopatch").returncode == 0
    assert tree(environment) == before


def test_run_does_without_the_start_line(environment: Path, tmp_path: Path) -> None:
    python = environment / "bin" / "python"
    built = build("wheel", tmp_path, MITOPATCH_BUILD_NO_PTH="1")
    # Where the tests run on an installed wheel, pip sees that one through the borrowed line and would call it done.
    done = run(python, "-m", "pip", "install", "--no-index", "--no-deps", "--force-reinstall", built)
    assert done.returncode == 0, done.stderr
    assert run(python, "-c", HOOKED).stdout.strip() == "[]"
    script = environment / "bin" / "ansible-sample"
    script.write_text(f"#!{python}\nimport os, sys\n{HOOKED}\nprint(os.environ['MITOPATCH'], sys.argv[1:], sys.path[0])\nsys.exit(7)\n")
    script.chmod(0o755)
    path = f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}"
    done = run(environment / "bin" / "mitopatch", "run", "--", "ansible-sample", "-i", "x", "--", "y", PATH=path)
    assert done.returncode == 7
    assert done.stdout.splitlines() == ["['Finder']", f"on ['-i', 'x', '--', 'y'] {environment / 'bin'}"]
    script.write_text("#!/usr/bin/env python3\n")
    assert "MP132" in run(environment / "bin" / "mitopatch", "run", "--", "ansible-sample", PATH=path).stderr
    missing = run(environment / "bin" / "mitopatch", "run", "--", "no-such-command", PATH=path)
    assert missing.returncode == 127
    assert "MP131" in missing.stderr
