"""[worker] A list or dictionary that a template gives is copied, not written out and read again (2.14 to 2.18).

Upstream makes the text of it, has Python parse that, walks over the tree three times and evaluates it: of a fact of 200 rows 30 ms, most
of what the task costs. What comes of texts, numbers and containers of Python's and Ansible's own is known without: the same in plain
types. Anything else takes upstream's way.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, islice
from types import GeneratorType
from typing import Any, Optional

from ansible import template
from ansible.parsing.yaml.objects import AnsibleMapping, AnsibleSequence, AnsibleUnicode
from ansible.template import native_helpers
from ansible.utils.unsafe_proxy import AnsibleUnsafeText, wrap_var

#: What is the same when it is read again.
SAME = frozenset((type(None), bool, str))
LISTS = frozenset((list, AnsibleSequence))
DICTS = frozenset((dict, AnsibleMapping))
#: Containers in containers: Python reads two hundred.
DEEPEST = 50
#: Python does not write out longer ones than 4300 digits.
LARGEST = 1 << 64


class NotPlain(Exception):
    """Something of another kind is in it."""


class Literal:
    """One value as Python would read it from its text. ``unsafe``: whether anything in it must not be templated."""

    def __init__(self) -> None:
        self.unsafe = False

    def read(self, value: Any, depth: int = 0) -> Any:
        """The value in plain types; raises NotPlain."""
        kind = type(value)
        if kind in SAME:
            return value
        if kind is AnsibleUnicode:
            return str.__str__(value)
        if kind is AnsibleUnsafeText:
            self.unsafe = True
            return str.__str__(value)
        if kind is int and -LARGEST < value < LARGEST:
            return value
        if kind is float and value - value == 0:
            return value  # neither infinite nor no number: these are written as names
        if depth > DEEPEST:
            raise NotPlain
        read, depth = self.read, depth + 1
        if kind in DICTS:
            return {read(name, depth): read(item, depth) for name, item in value.items()}
        if kind in LISTS:
            return [read(item, depth) for item in value]
        if kind is tuple:
            return tuple([read(item, depth) for item in value])
        raise NotPlain


def install() -> None:
    """Put it in place; this process is a worker for the rest of its life."""
    upstream = getattr(native_helpers, "ansible_eval_concat", None)  # up to 2.13 templates are evaluated elsewhere
    if upstream is None or template.AnsibleEnvironment.concat is not upstream:
        return
    # Before there was this, what was read again had lost its mark.
    keeps_marks: Optional[Any] = getattr(native_helpers, "_is_unsafe", None)

    def concat(nodes: Iterable[Any]) -> Any:
        head = list(islice(nodes, 2))
        if len(head) == 1 and (type(head[0]) in LISTS or type(head[0]) in DICTS):
            literal = Literal()
            try:
                value = literal.read(head[0])
            except NotPlain:
                pass
            else:
                return wrap_var(value) if literal.unsafe and keeps_marks is not None else value
        # It asks whether it is a generator.
        return upstream((node for node in chain(head, nodes)) if isinstance(nodes, GeneratorType) else nodes)

    template.AnsibleEnvironment.concat = staticmethod(concat)
