"""[controller, worker] Tagged values are pickled in one step each (2.19 to 2.21).

A value from a playbook has a dictionary of tags, which says where it stands and whether it may be templated. Pickled, each of these is
an object with a state of its own: a list of 800 small dictionaries takes 37 ms, three times as long as here, and a fact passes by twice,
with the result of its task and to the workers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from ansible._internal._datatag._tags import Origin, TrustedAsTemplate
from ansible.module_utils._internal import _datatag as datatag

#: What the place of a value is, in this order.
PLACE = ("path", "description", "line_num", "col_num")

_new = object.__new__
_set_path, _set_description, _set_line, _set_column = (getattr(Origin, name).__set__ for name in PLACE)
_Tags = datatag._AnsibleTagsMapping


def _tag(value: Any, path: Any, description: Any, line: Any, column: Any, trusted: bool) -> Any:
    origin = _new(Origin)  # frozen, and was checked when it was made
    _set_path(origin, path)
    _set_description(origin, description)
    _set_line(origin, line)
    _set_column(origin, column)
    tags = _Tags()
    tags[Origin] = origin
    if trusted:
        tags[TrustedAsTemplate] = TrustedAsTemplate()
    value._ansible_tags_mapping = tags
    return value


def scalar(kind: type, value: Any, *tags: Any) -> Any:
    """[controller, worker] A tagged text or number; ``tags``: its place, and whether it may be templated."""
    return _tag(kind(value), *tags)


def container(kind: type, *tags: Any) -> Any:
    """[controller, worker] A tagged list or dictionary, empty."""
    return _tag(kind(), *tags)


def _tags_of(value: Any) -> Any:
    # No others than these two, or None: then it is pickled as it says itself.
    tags = value._ansible_tags_mapping
    origin = tags.get(Origin)
    if origin is None or len(tags) > 2:
        return None
    trusted = TrustedAsTemplate in tags
    if trusted is not (len(tags) == 2):
        return None
    return origin.path, origin.description, origin.line_num, origin.col_num, trusted


def _of_scalar(kind: type, plain: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def reduced(value: Any) -> Any:
        tags = _tags_of(value)
        return value.__reduce_ex__(5) if tags is None else (scalar, (kind, plain(value), *tags))

    return reduced


def _of_list(value: Any) -> Any:
    tags = _tags_of(value)
    return value.__reduce_ex__(5) if tags is None else (container, (type(value), *tags), None, list.__iter__(value))


def _of_dict(value: Any) -> Any:
    tags = _tags_of(value)
    return value.__reduce_ex__(5) if tags is None else (container, (type(value), *tags), None, None, iter(dict.items(value)))


def reducers() -> dict[type, Callable[[Any], Any]]:
    """[controller, worker] How tagged values are pickled, by their exact types; none if a place has other fields than are known here."""
    if tuple(field.name for field in dataclasses.fields(Origin)) != PLACE:
        return {}
    found: dict[type, Callable[[Any], Any]] = {datatag._AnsibleTaggedList: _of_list, datatag._AnsibleTaggedDict: _of_dict}
    scalars = (
        (datatag._AnsibleTaggedStr, str.__str__),
        (datatag._AnsibleTaggedInt, int.__int__),
        (datatag._AnsibleTaggedFloat, float.__float__),
    )
    for kind, plain in scalars:
        found[kind] = _of_scalar(kind, plain)
    return found
