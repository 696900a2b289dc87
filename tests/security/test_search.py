"""The search for canaries finds them as they are and coded, in files, in processes, in what was ever started; and only them."""

from __future__ import annotations

import base64
import io
import os
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import pytest
from testbed import canaries, execs
from testbed.canaries import Search

SECRET = "0123456789abcdef01234567"
OTHER = "fedcba9876543210fedcba98"


@pytest.fixture
def search() -> Search:
    return Search({"one": SECRET, "other": OTHER})


def zipped(data: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("module.py", data)
    return stream.getvalue()


@pytest.mark.parametrize(
    "code",
    [
        lambda data: data,
        lambda data: data[::-1],
        bytes.hex,
        lambda data: data.decode().encode("utf-16-le"),
        base64.b64encode,
        lambda data: base64.b64encode(b"x" + data),
        lambda data: base64.b64encode(b"xx" + data),
        base64.encodebytes,
        zlib.compress,
        lambda data: base64.b64encode(zlib.compress(data * 3)),
        lambda data: base64.b64encode(zipped(data)),
    ],
)
@pytest.mark.parametrize("around", ["", "some words, and\n'quotes' "])
def test_codes(search: Search, code: object, around: str) -> None:
    coded = code(around.encode() + SECRET.encode())  # type: ignore[operator]
    data = coded.encode() if isinstance(coded, str) else coded
    assert search.within(data) == {"one"}
    assert search.within(data.replace(SECRET.encode(), b"") if SECRET.encode() in data else b"nothing") == set()


def test_names_and_modes_of_files(search: Search, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    for name, mode, text in (("open", 0o644, SECRET), ("closed", 0o600, OTHER), (SECRET, 0o600, "")):
        (tmp_path / f"in_{name[:4]}").mkdir(mode=0o755)
        path = tmp_path / f"in_{name[:4]}" / name
        path.write_text(text)
        path.chmod(mode)
    assert search.below(tmp_path) == {("in_open (for all to read)", "one"), ("in_clos", "other"), ("in_0123", "one")}
    assert search.below(tmp_path, "one place", since=2**40) == set()


def test_images_of_memory(search: Search, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/core").write_bytes(bytes(canaries.LONG) + SECRET.encode())
    (tmp_path / "core.123").write_bytes(b"none")
    (tmp_path / "core.py").write_bytes(OTHER.encode())
    assert search.cores(tmp_path) == {"deep": {"one"}, ".": set()}


def test_processes(search: Search) -> None:
    program = "import sys; print(flush=True); sys.stdin.read()"
    for arguments, environment, place in (([SECRET], {}, "argv"), ([], {"A": SECRET}, "environ")):
        with subprocess.Popen(
            [sys.executable, "-c", program, *arguments], env={**os.environ, **environment}, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            assert search.processes() == {(place, "one")}
            process.communicate(timeout=30)
    assert search.processes() == set()


def test_what_was_ever_started(search: Search, tmp_path: Path) -> None:
    """However short it lived, however deep below; and the exit code is the command's."""

    def run(text: str) -> int:
        script = tmp_path / "script"
        script.write_text(text)
        command = [sys.executable, execs.__file__, str(tmp_path / "execs"), "sh", str(script)]
        return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode

    if run("exit 0"):
        pytest.skip("needs ptrace")
    assert run(f"/bin/true {SECRET} & (A={OTHER} /bin/true) & wait; exit 3") == 3
    assert search.execs(tmp_path / "execs") == {("argv", "one"), ("environ", "other")}
    assert run("kill -SEGV $$") == 128 + 11
