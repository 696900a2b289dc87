"""Tagged values that were pickled in one step each are what they are when they pickle themselves."""

from __future__ import annotations

import copyreg
import io
import pickle
from typing import Any

import pytest

pytest.importorskip("ansible._internal._datatag._tags", reason="values are not tagged before 2.19")

from ansible._internal._datatag._tags import Origin, TrustedAsTemplate, VaultedValue
from ansible.module_utils._internal._datatag import AnsibleTagHelper
from ansible.parsing.dataloader import DataLoader

from mitopatch.versions import tagged

HERE = Origin(path="/a/play.yml", line_num=3, col_num=5)
TEXT = """
one: [a, "{{ b }}", 3, 2.5, true, null, 2024-01-01, {k: {}}, []]
two: "\\U0001f600 \\0"
"""


def shipped(value: Any, reducers: dict[type, Any]) -> Any:
    out = io.BytesIO()
    pickler = pickle.Pickler(out, protocol=5)
    pickler.dispatch_table = {**copyreg.dispatch_table, **reducers}
    pickler.dump(value)
    return pickle.loads(out.getvalue())


def described(value: Any) -> Any:
    """Everything of it: types, tags, content, in order."""
    tags = AnsibleTagHelper.tags(value)
    inner: Any = repr(value)
    if isinstance(value, dict):
        inner = [(described(name), described(item)) for name, item in value.items()]
    elif isinstance(value, (list, tuple)):
        inner = [described(item) for item in value]
    return type(value), tags, inner


VALUES = {
    "yaml": DataLoader().load(TEXT),
    "place": HERE.tag("x"),
    "description": Origin(description="<a test>").tag(["x"]),
    "trusted only": TrustedAsTemplate().tag("{{ x }}"),
    "both": TrustedAsTemplate().tag(HERE.tag({"a": HERE.tag(1)})),
    "a third": VaultedValue(ciphertext="x").tag(TrustedAsTemplate().tag(HERE.tag("{{ x }}"))),
    "another second": VaultedValue(ciphertext="x").tag(HERE.tag([HERE.tag(1.5)])),
    "numbers": [HERE.tag(-(2**80)), HERE.tag(float("inf")), HERE.tag(-0.0)],
    "none": [1, "a", {"b": (2.5, None)}],
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_the_same_as_it_says_itself(value: Any) -> None:
    reducers = tagged.reducers()
    assert reducers
    found = shipped(value, reducers)
    assert described(found) == described(shipped(value, {})) == described(value)
    for kind, reduced in reducers.items():
        if type(value) is kind and AnsibleTagHelper.tag_types(value) <= {Origin, TrustedAsTemplate} and Origin.is_tagged_on(value):
            assert reduced(value)[0] in (tagged.scalar, tagged.container)


def test_what_refers_to_itself() -> None:
    value = HERE.tag([1])
    value.append(value)
    found = shipped(value, tagged.reducers())
    assert found[1] is found
    assert Origin.get_tag(found) == HERE
    assert TrustedAsTemplate.get_tag(shipped(VALUES["both"], tagged.reducers())) is TrustedAsTemplate()


def test_a_place_with_other_fields_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tagged, "PLACE", ("path", "line_num"))
    assert tagged.reducers() == {}
