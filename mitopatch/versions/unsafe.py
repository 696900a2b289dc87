"""[worker] Each result of a module is gone through for text that must not be templated, up to 2.18 four times a host-task.

Up to 2.18 such text is marked by its type; from 2.19 on a mark is taken away from text that may be. Upstream asks the collections'
abstract classes about each value. What is exactly of one of JSON's types is told by that. And such text tells a pickler by two methods how
it is made: here one function does, which halves what a long output costs to send.
"""

from __future__ import annotations

from typing import Any

from ansible.utils import unsafe_proxy
from ansible.utils.unsafe_proxy import AnsibleUnsafeBytes, AnsibleUnsafeText

#: What is left as it is.
AS_IT_IS = {type(None), bool, int, float}
#: Up to 2.18, besides.
MARKED = (AnsibleUnsafeText, AnsibleUnsafeBytes)
#: From 2.19 on: text with a mark is of another type.
UNMARKED = (str, bytes)


def _wrapped(value: Any) -> Any:
    kind = type(value)
    if kind in AS_IT_IS:
        return value
    if kind is str:
        return AnsibleUnsafeText(value)
    if kind is dict:
        return _wrap_dict(value)
    if kind is list:
        return [_wrapped(item) for item in value]
    return unsafe_proxy.wrap_var(value)


def _wrap_dict(value: Any) -> dict[Any, Any]:
    """Stands for unsafe_proxy._wrap_dict."""
    return {_wrapped(key): _wrapped(item) for key, item in value.items()}


def _wrap_sequence(value: Any) -> Any:
    """Stands for unsafe_proxy._wrap_sequence."""
    return type(value)(map(_wrapped, value))


def reduced(text: Any) -> Any:
    """[controller, worker] As AnsibleUnsafeText.__reduce__."""
    return AnsibleUnsafeText, (str.__str__(text),)


def install(*more: type) -> None:
    """Put them in place; this process is a worker for the rest of its life. ``more``: types that are left as they are, too."""
    AS_IT_IS.update(more)
    unsafe_proxy._wrap_dict = _wrap_dict
    unsafe_proxy._wrap_sequence = _wrap_sequence
