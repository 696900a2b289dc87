"""Release texts, the choice of a bundle, its requirements, the switches, the texts."""

from __future__ import annotations

import importlib.metadata
import re
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitopatch import errors, select, settings, versions
from mitopatch.errors import NotApplied, Reason


@pytest.mark.parametrize("row", versions.SUPPORTED, ids=lambda row: row.series)
@pytest.mark.parametrize("suffix", ["", "rc1", ".dev0", "+distro.4", ".post1"])
def test_every_release_of_a_supported_series_is_chosen(row: versions.Row, suffix: str) -> None:
    for text in (row.oldest, row.newest, f"{row.series}.99"):
        choice = select.choose(text + suffix)
        assert choice.row is row
        assert choice.bundle_module == row.module
        assert choice.reason is None


@pytest.mark.parametrize("text", ["2.9.27", "2.10.17", "2.99.0", "2.99.0.dev0", "3.0"])
def test_other_releases_are_refused_with_one_sentence(text: str) -> None:
    choice = select.choose(text, "fallback")
    assert choice.row is None
    assert choice.reason is not None
    assert choice.reason.code == "MP101"
    for fact in (text, versions.SUPPORTED[0].series, versions.SUPPORTED[-1].series, "MITOPATCH_UNKNOWN"):
        assert fact in choice.reason.text


@pytest.mark.parametrize(("text", "remedy"), [("2.9.27", "ansible-core"), ("2.10.17", "ansible-core"), ("2.99.0", "mitopatch")])
def test_an_upgrade_is_named_that_can_help(text: str, remedy: str) -> None:
    reason = select.choose(text, "fallback").reason
    assert reason is not None
    assert f"Upgrade {remedy}," in reason.text


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((21,), "2.21"),
        ((20, 21), "2.20 and 2.21"),
        ((11, 12, 13), "2.11 to 2.13"),
        ((11, 12, 13, 15, 16, 18), "2.11 to 2.13, 2.15, 2.16 and 2.18"),
    ],
)
def test_the_supported_series_as_a_phrase(monkeypatch: pytest.MonkeyPatch, numbers: tuple[int, ...], text: str) -> None:
    monkeypatch.setattr(versions, "SUPPORTED", tuple(versions.SUPPORTED[0]._replace(series=f"2.{number}") for number in numbers))
    assert versions.listed() == text


@pytest.mark.parametrize(
    ("text", "series"),
    [("2.10.17", versions.SUPPORTED[0].series), ("2.99.0.dev0", versions.SUPPORTED[-1].series), ("3.0", versions.SUPPORTED[-1].series)],
)
def test_nearest(text: str, series: str) -> None:
    choice = select.choose(text, "nearest")
    assert choice.row is not None
    assert choice.row.series == series
    assert choice.notice is not None
    assert choice.notice.code == "MP102"


@given(st.text(max_size=20))
def test_choosing_never_raises(text: str) -> None:
    choice = select.choose(text)
    assert (choice.row is None) == (choice.reason is not None)
    if choice.reason is not None:
        assert choice.reason.text


def test_outside_the_tested_range() -> None:
    row = versions.SUPPORTED[0]
    assert not select.beyond_tested(row, row.newest)
    assert select.beyond_tested(row, f"{row.series}.99")


def fake_versions(monkeypatch: pytest.MonkeyPatch, **found: str) -> None:
    def version(package: str) -> str:
        if package not in found:
            raise importlib.metadata.PackageNotFoundError(package)
        return found[package]

    monkeypatch.setattr(importlib.metadata, "version", version)


@pytest.mark.parametrize(
    ("found", "code"),
    [
        ({"mitogen": "0.3.54"}, None),
        ({"mitogen": "0.3.99"}, None),
        ({}, "MP105"),
        ({"mitogen": "0.3.7"}, "MP106"),
        ({"mitogen": "0.4.0"}, "MP106"),
        ({"mitogen": "a mess"}, "MP106"),
    ],
)
def test_requirements(monkeypatch: pytest.MonkeyPatch, found: dict[str, str], code: Any) -> None:
    fake_versions(monkeypatch, **found)
    reason = select.requirements(versions.SUPPORTED[0])
    assert (reason.code if reason else None) == code
    if reason is not None:
        assert "pip install" in reason.text


@pytest.mark.parametrize("text", [None, "", "{", '{"symbols": []}'])
def test_damaged_fingerprints_are_a_refusal(tmp_path: Path, text: Any) -> None:
    path = tmp_path / "2.16.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(NotApplied) as refused:
        select.load(versions.SUPPORTED[0], str(path))
    assert refused.value.reason.code == "MP107"
    assert "Reinstall" in refused.value.reason.text


def test_switches() -> None:
    assert settings.read("MITOPATCH_UNKNOWN", {}) == "fallback"
    assert settings.read("MITOPATCH_UNKNOWN", {"MITOPATCH_UNKNOWN": " Nearest "}) == "nearest"
    assert settings.read("MITOPATCH_UNKNOWN", {"MITOPATCH_UNKNOWN": "maybe"}) == "fallback"
    assert settings.problem("MITOPATCH_UNKNOWN", {"MITOPATCH_UNKNOWN": "maybe"}).code == "MP120"
    assert settings.problem("MITOPATCH", {"MITOPATCH": "yes"}) is None
    assert settings.problem("MITOPATCH", {"MITOPATCH": ""}) is None
    assert settings.flag("MITOPATCH_DEBUG", {"MITOPATCH_DEBUG": "1"})
    with pytest.raises(KeyError):
        settings.read("MITOPATCH_DISABLE", {})
    for switch in settings.SWITCHES:
        assert switch.name in settings.help_text()
        assert switch.help


class Anything(dict):  # type: ignore[type-arg]
    def __missing__(self, key: str) -> str:
        return "x"


def test_every_text_can_be_filled_and_ends_its_sentence() -> None:
    for code, text in errors.TEXTS.items():
        assert re.fullmatch(r"MP\d{3}", code)
        names = [name for _, name, _, _ in string.Formatter().parse(text) if name]
        shown = Reason(code, **dict.fromkeys(names, "x")).text
        assert shown.startswith(code)
        assert shown.endswith((".", "'off'."))
        assert "\n" not in shown
    assert len(set(errors.TEXTS.values())) == len(errors.TEXTS)
