"""Variables that are wrapped once for several templates: each template sees them as they are by then."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("ansible._internal._templating._lazy_containers", reason="templates are not lazy before 2.19")

from ansible._internal._datatag._tags import TrustedAsTemplate
from ansible._internal._templating import _lazy_containers as containers
from ansible._internal._templating._engine import TemplateEngine

from mitopatch.versions import wrapped


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """The values that were wrapped, with the shortcut in place."""
    kind, found = containers._AnsibleLazyTemplateDict, []
    wrap = containers._LazyValue
    monkeypatch.setattr(kind, "_lazy_values", staticmethod(kind._lazy_values))

    def counted(value: Any) -> Any:
        found.append(value)
        return wrap(value)

    monkeypatch.setattr(containers, "_LazyValue", counted)
    wrapped.install()
    monkeypatch.setattr(containers, "_LazyValue", wrap)
    yield found
    wrapped.forget()


def template(variables: dict[str, Any], text: str) -> Any:
    return TemplateEngine(variables=variables).template(TrustedAsTemplate().tag(text))


def variables() -> dict[str, Any]:
    found: dict[str, Any] = {f"v{number}": number for number in range(wrapped.FEW)}
    return {**found, "a": TrustedAsTemplate().tag("{{ b }}!"), "b": "c", "rows": [{"x": TrustedAsTemplate().tag("{{ b }}")}]}


def test_once_for_several_templates(made: list[Any]) -> None:
    mine = variables()
    assert [template(mine, "{{ a }} {{ rows[0].x }} {{ v3 }}") for _ in range(3)] == ["c! c 3"] * 3
    assert [sum(value is each for value in made) for each in (mine["a"], mine["rows"])] == [1, 1]


def test_as_they_are_by_then(made: list[Any]) -> None:
    mine = variables()
    assert template(mine, "{{ a }} {{ v1 }}") == "c! 1"
    mine["b"] = "d"
    assert template(mine, "{{ a }} {{ v1 }}") == "d! 1"
    mine["new"] = mine.pop("v1")
    assert template(mine, "{{ new }} {{ v1 | default('gone') }}") == "1 gone"
    mine["b"] = TrustedAsTemplate().tag("d")  # equal, and not the same
    template(mine, "{{ b }}")
    assert any(value is mine["b"] for value in made)
    mine["rows"].append({"x": "late"})
    assert template(mine, "{{ rows | length }} {{ rows[1].x }}") == "2 late"


def test_what_a_template_changes_stays_its_own(made: list[Any]) -> None:
    mine = variables()
    assert template(mine, "{{ rows.append(1) }}{{ rows | length }}") == template(mine, "{{ rows.append(1) }}{{ rows | length }}") == 2
    assert template(mine, "{% set b = 'other' %}{{ b }}{{ a }}") == "otherc!"
    assert len(mine["rows"]) == 1


def test_few_are_wrapped_anew_and_few_dictionaries_kept(made: list[Any]) -> None:
    few = {"a": [1]}
    assert template(few, "{{ a[0] + 1 }}") == 2
    assert not any(value is few["a"] for value in made)
    many = [variables() for _ in range(2 * wrapped.MOST)]
    for number, each in enumerate(many):
        each["v0"] = f"mine {number}"
    assert [template(each, "{{ v0 }}") for each in many] == [f"mine {number}" for number in range(len(many))]
    assert len(wrapped._kept.of) == wrapped.MOST
    wrapped.forget()
    assert not wrapped._kept.of
