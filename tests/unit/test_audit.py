"""What pip-audit answers becomes a report in which nothing passes that was not checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Optional

import pytest

audit = pytest.importorskip("maintenance.audit", reason="not a checkout")

KNOWN = {"jinja2 2.11.2": ["PYSEC-2021-66"]}
CONTROL = audit.Answer(KNOWN, {})


def answers(installed: dict[str, Any], control: Any = CONTROL) -> Any:
    """Return a stand-in for `ask`: by service what is installed, or the error; `control` for each."""

    def ask(service: str, requirement: Optional[str]) -> Any:
        answer = control if requirement else installed[service]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return ask


def outcome(installed: dict[str, Any], control: Any = CONTROL) -> tuple[int, str]:
    code, lines = audit.report(*audit.survey(tuple(installed), answers(installed, control)))
    return code, "\n".join(lines)


def test_all_checked() -> None:
    assert outcome({"pypi": audit.Answer({"mitogen 0.3.54": []}, {"mitopatch": "not found"})}) == (
        0,
        "1 packages checked (pypi), no vulnerability is known.",
    )


def test_a_vulnerability_is_named() -> None:
    code, text = outcome({"pypi": audit.Answer({"a 1": ["X-1", "X-2"], "b 1": []}, {"c": "not found"})})
    assert (code, text) == (1, "VULNERABLE: a 1: X-1, X-2\nNOT CHECKED: c: not found")


def test_what_one_service_knows_counts() -> None:
    one, other = audit.Answer({"a 1": []}, {"b": "not found"}), audit.Answer({"a 1": ["X-1"], "b 1": []}, {})
    assert outcome({"pypi": one, "osv": other}) == (1, "VULNERABLE: a 1: X-1")


def test_what_no_service_knows_is_not_checked() -> None:
    assert outcome({"pypi": audit.Answer({"a 1": []}, {"b": "not found"})}) == (2, "NOT CHECKED: b: not found")


@pytest.mark.parametrize(
    "control", [audit.Answer({}, {"jinja2": "not found"}), audit.Answer({"jinja2 2.11.2": []}, {}), OSError("no such host")]
)
def test_a_service_that_does_not_know_the_control_is_not_believed(control: Any) -> None:
    code, text = outcome({"pypi": audit.Answer({"a 1": []}, {})}, control)
    assert code == 2
    assert text.startswith("NOT CHECKED: the service pypi: ")
    assert "no vulnerability is known" not in text


def test_one_service_is_enough() -> None:
    code, text = outcome({"pypi": audit.Answer({"a 1": []}, {}), "osv": OSError("no such host")})
    assert (code, text) == (0, "1 packages checked (pypi), no vulnerability is known.")


def test_an_empty_answer_is_no_check() -> None:
    assert outcome({"pypi": audit.Answer({}, {})}) == (2, audit.NOTHING_INSTALLED)


def test_reads_what_pip_audit_writes() -> None:
    text = json.dumps(
        {
            "dependencies": [
                {"name": "jinja2", "version": "2.11.2", "vulns": [{"id": "PYSEC-2021-66", "fix_versions": ["2.11.3"]}]},
                {"name": "mitopatch", "skip_reason": "Dependency not found on PyPI"},
            ],
            "fixes": [],
        }
    )
    assert audit.parse(text) == audit.Answer(KNOWN, {"mitopatch": "Dependency not found on PyPI"})


@pytest.mark.parametrize("text", ["", "null", "{}", '{"dependencies": 1}'])
def test_no_answer_is_an_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        audit.parse(text)


def test_the_program_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What pip-audit writes to standard error, without an answer, is the reason."""
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho >&2 first; echo >&2 'no such host'; exit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(audit.sys, "executable", str(program))
    with pytest.raises(OSError, match="no such host"):
        audit.ask("pypi", None)


def test_if_possible_changes_the_exit_code_alone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(audit, "survey", lambda: (["pypi"], {"a 1": []}, {"b": "not found"}))
    assert (audit.main([]), audit.main(["--if-possible"])) == (2, 0)
    assert capsys.readouterr().out == "NOT CHECKED: b: not found\n" * 2
    monkeypatch.setattr(audit, "survey", lambda: (["pypi"], {"a 1": ["X-1"]}, {}))
    assert (audit.main([]), audit.main(["--if-possible"])) == (1, 1)
