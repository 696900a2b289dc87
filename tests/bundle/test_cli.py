"""`status`, `verify`, `doctor` with an Ansible in the environment and the sample in place of the real bundle."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.bundle.conftest import SAMPLE, codes

PROGRAM = (
    f"import sys; sys.path.insert(0, {os.path.dirname(SAMPLE)!r})\n"
    "import sample; sample.install()\n"
    "from mitopatch.cli import main\n"
    "sys.exit(main(sys.argv[1:]))\n"
)


@pytest.mark.parametrize(
    ("cfg", "environ", "answer"),
    [
        ("[defaults]\nmitopatch = on\n", {}, "yes: mitopatch = on in"),
        ("", {"MITOPATCH": "off"}, "no: MITOPATCH=off"),
        ("", {}, "only plays with"),
        ("", {"MITOPATCH": "on"}, "yes: MITOPATCH=on"),
        ("[defaults\n", {}, "no: MP136"),
    ],
)
def test_status_says_whether_and_why(process: Any, tmp_path: Path, cfg: str, environ: dict[str, str], answer: str) -> None:
    (tmp_path / "ansible.cfg").write_text(cfg)
    # The hook as mitopatch.pth would install it, also where the tests run from a checkout.
    done = process(sys.executable, "-c", "import mitopatch_autoload\n" + PROGRAM, "status", **environ)
    assert done.returncode == 0, done.stderr
    assert f"active here    {answer}" in done.stdout
    assert "Traceback" not in done.stderr
    if "MP136" not in answer:
        assert "4 of 4 declarations in force when tried" in done.stdout
        assert done.stdout.count("  applied  ") == 4


def test_verify_and_doctor(process: Any) -> None:
    done = process(sys.executable, "-c", PROGRAM, "verify")
    assert done.returncode == 0, done.stdout
    report = process(sys.executable, "-c", PROGRAM, "doctor", MITOPATCH_UNKNOWN="nonsense")
    assert report.returncode == 0, report.stderr
    assert report.stdout.count("fingerprint  ") == 2
    assert "MITOPATCH_UNKNOWN=nonsense" in report.stdout
    assert codes(report) == ["MP120"]
