"""The setting: environment over ansible.cfg over aliases, and bad input."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional

import pytest

from mitopatch import bootstrap


def decide(tmp_path: Path, text: Optional[str] = None, **environ: str) -> bootstrap.Setting:
    path = tmp_path / "ansible.cfg"
    if text is not None:
        path.write_text(text)
    return bootstrap.decide(str(path) if text is not None else None, environ)


@pytest.mark.parametrize(
    ("text", "environ", "mode"),
    [
        (None, {}, "dormant"),
        ("[defaults]\nforks = 5\n", {}, "dormant"),
        ("[defaults]\nmitopatch = on\n", {}, "on"),
        ("[defaults]\nmitopatch=True ; why\n", {}, "on"),
        ("[defaults]\nmitopatch = off\n", {}, "off"),
        ("[defaults]\nmitopatch = on\n", {"MITOPATCH": "off"}, "off"),
        ("[defaults]\nmitopatch = on\n", {"MITOPATCH": "0"}, "off"),
        ("[defaults]\nmitopatch = off\n", {"MITOPATCH": "on"}, "on"),
        ("[defaults]\nmitopatch = on\n", {"MITOPATCH": ""}, "on"),
        ("[mitopatch]\nx = on\n", {}, "dormant"),
        ("[inventory]\nmitopatch = on\n", {}, "dormant"),
        ("[defaults]\nstrategy = mitopatch_free\n", {}, "on"),
        ("[defaults]\nstrategy = mitopatch_free\nmitopatch = off\n", {}, "off"),
        ("[defaults]\nstrategy = free\n", {"ANSIBLE_STRATEGY": "mitopatch_linear"}, "on"),
        ("[defaults]\nstrategy = mitopatch_free\n", {"ANSIBLE_STRATEGY": "linear"}, "dormant"),
        ("[defaults]\nstrategy = mitopatch_free\n", {"MITOPATCH": "no"}, "off"),
        ("[defaults]\nlog_path = /tmp/100%mitopatch\nmitopatch = on\n", {}, "on"),
    ],
)
def test_setting(tmp_path: Path, text: Any, environ: dict[str, str], mode: str) -> None:
    found = decide(tmp_path, text, **environ)
    assert found.mode == mode
    assert found.complaints == ()
    assert found.source


@pytest.mark.parametrize(
    ("text", "environ", "mode", "code"),
    [
        ("[defaults]\nmitopatch = banana\n", {}, "off", "MP120"),
        (None, {"MITOPATCH": "banana"}, "off", "MP120"),
        ("[defaults]\nmitopatch = on\n", {"MITOPATCH_UNKNOWN": "banana"}, "on", "MP120"),
        ("mitopatch = on\n", {}, "dormant", "MP122"),
        ("[defaults]\nmitopatch = on\nmitopatch = off\n", {}, "dormant", "MP122"),
    ],
)
def test_bad_value_is_one_complaint(tmp_path: Path, text: Any, environ: dict[str, str], mode: str, code: str) -> None:
    found = decide(tmp_path, text, **environ)
    assert found.mode == mode
    assert [complaint.code for complaint in found.complaints] == [code]
    assert "treated as" in found.complaints[0].text


def test_unreadable_file_is_one_complaint(tmp_path: Path) -> None:
    path = tmp_path / "ansible.cfg"
    path.write_bytes(b"[defaults]\nmitopatch = \xff\n")
    assert [complaint.code for complaint in bootstrap.decide(str(path), {}).complaints] == ["MP122"]
    assert [complaint.code for complaint in bootstrap.decide(str(tmp_path / "gone"), {}).complaints] == ["MP122"]
