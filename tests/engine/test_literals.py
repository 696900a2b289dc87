"""Lists and dictionaries that templates give: the same as when Python reads their text, of whatever they hold."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("ansible.template.native_helpers", reason="no text of templates is evaluated here")

from ansible import template
from ansible.parsing.yaml.objects import AnsibleMapping, AnsibleSequence, AnsibleUnicode
from ansible.template import native_helpers
from ansible.utils.unsafe_proxy import AnsibleUnsafeText

from mitopatch.versions import literals

upstream: Any = getattr(native_helpers, "ansible_eval_concat", None)
pytestmark = pytest.mark.skipif(upstream is None, reason="no text of templates is evaluated here")
TEXTS = st.one_of(st.text(), st.sampled_from(["{{ a }}", "true", "[1", "'", '"', "\\", "\ud800", "\x00"]))
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.binary(max_size=3), st.just(1 << 70), TEXTS, TEXTS.map(AnsibleUnicode),
    TEXTS.map(AnsibleUnsafeText),
)  # fmt: skip
NAMES = st.one_of(TEXTS, TEXTS.map(AnsibleUnicode), TEXTS.map(AnsibleUnsafeText), st.integers(), st.tuples(TEXTS, st.integers()))
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=3).map(AnsibleSequence),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(NAMES, inner, max_size=4),
        st.dictionaries(NAMES, inner, max_size=3).map(AnsibleMapping),
        st.sets(st.text(), max_size=2),
    ),
    max_leaves=20,
)


@pytest.fixture(scope="module")
def concat() -> Any:
    try:
        literals.install()
        yield template.AnsibleEnvironment.concat
    finally:
        template.AnsibleEnvironment.concat = staticmethod(upstream)


def kinds(value: Any) -> Any:
    """The value with all types told."""
    if isinstance(value, dict):
        return type(value), [(kinds(name), kinds(item)) for name, item in value.items()]
    if isinstance(value, (list, tuple)):
        return type(value), [kinds(item) for item in value]
    return type(value), repr(value)


@settings(max_examples=300, deadline=None)
@given(value=TREES)
def test_as_it_is_read(concat: Any, value: Any) -> None:
    for nodes in (lambda: [value], lambda: (node for node in [value])):
        assert kinds(concat(nodes())) == kinds(upstream(nodes()))


@settings(max_examples=50, deadline=None)
@given(values=st.lists(TREES, max_size=4))
def test_several(concat: Any, values: list[Any]) -> None:
    assert kinds(concat(node for node in values)) == kinds(upstream(node for node in values))
    assert kinds(concat(values)) == kinds(upstream(values))


def test_what_is_deep_or_holds_itself(concat: Any) -> None:
    deep: Any = []
    for _ in range(150):
        deep = [deep]
    assert concat([deep]) == upstream([deep]) == deep
    looped: list[Any] = []
    looped.append(looped)
    assert kinds(concat([looped])) == kinds(upstream([looped]))


def test_nothing_is_shared(concat: Any) -> None:
    row: list[Any] = [1]
    given = [row, row]
    found = concat([given])
    assert found == given
    assert found[0] is not found[1] is not row


def test_what_is_undefined_within(concat: Any) -> None:
    undefined = template.AnsibleUndefined(name="a")
    assert kinds(concat([[undefined]])) == kinds(upstream([[undefined]]))
