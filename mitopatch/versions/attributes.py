"""[worker] What upstream does to each attribute of a task, for each host, is done only to those that it can change.

A third (2.16) to a half (2.21) of what a small task costs went into ``FieldAttributeBase.post_validate``: each of some fifty attributes of
the task, its parents and the play context is read, templated and converted, though nearly all are None, a flag, a number or text without
a template, which come out as they went in. They are left alone; upstream's own body runs on the others. Reading and copying an
attribute take the same way as upstream's, without its detours for what an object does not have.

From 2.14 on, where attributes are descriptors; before, upstream's own functions stay.
"""

from __future__ import annotations

import copy
from typing import Any, NamedTuple, Optional

from ansible.playbook import attribute as attributes
from ansible.playbook import base
from ansible.playbook.task import Task
from ansible.utils.sentinel import Sentinel

from mitopatch.runtime.bounded import Bounded

#: Values that need no copy.
ATOMS = frozenset((type(None), bool, int, float, str, type))
#: How each kind of attribute looks when conversion to it changes nothing. Any other may be None only.
KINDS: dict[Any, type[Any]] = {"bool": bool, "int": int, "float": float, "percent": float, "string": str, "list": list}
#: Whose ``_post_validate_<name>`` only returns the value (2.14 to 2.21): they are evaluated later, or never.
LATER = frozenset(("changed_when", "failed_when", "until", "module_defaults", "break_when"))
#: Whose ``_post_validate_<name>`` gives back text without a template as it is.
TEXT = frozenset(("name",))
#: Results that are remembered for an attribute.
MOST = 500


class Rule(NamedTuple):
    """When post-validation leaves an attribute as it is."""

    name: str
    key: str
    attribute: Any
    #: The type that conversion leaves alone; None if there is no such.
    kind: Optional[type[Any]]
    #: Whether the value is not templated: then what it holds does not matter.
    later: bool
    #: Whether what becomes of a value without a template depends on the value alone.
    steady: bool
    #: What became of such values: id -> (value, result).
    results: dict[int, tuple[Any, Any]]

    def leaves(self, value: Any) -> bool:
        """Whether upstream's post-validation has no effect on this value, whatever the host's variables are."""
        if value is None:
            return not self.attribute.required
        if type(value) is not self.kind:
            return False
        if self.kind is str:
            return "{" not in value
        if self.kind is list:
            listof = self.attribute.listof
            return all((self.later or _plain(item)) and (listof is None or isinstance(item, listof)) for item in value)
        return True

    def learn(self, value: Any, result: Any) -> None:
        """Upstream has made ``result`` of ``value``."""
        if self.steady and _steady(value) and isinstance(result, (str, int, float)):
            self.results[id(value)] = (value, result)


def _plain(item: Any) -> bool:
    return type(item) is str and "{" not in item


def _steady(value: Any) -> bool:
    return "{" not in value if isinstance(value, str) else isinstance(value, (int, float))


def _rules(kind: type) -> tuple[Rule, ...]:
    """The attributes of a class that post-validation may change, or refuse."""
    validated = getattr(kind, "_post_validate_object", kind.__name__ in ("Task", "Handler", "PlayContext"))
    rules = []
    for name, attribute in kind.fattributes.items():  # type: ignore[attr-defined]
        if attribute.static and name == "vars":
            continue
        if not (validated or attribute.always_post_validate or attribute.required or attribute.static):
            continue
        own = hasattr(kind, f"_post_validate_{name}") and not attribute.static
        kept = KINDS.get(attribute.isa)
        if (own and name not in LATER | TEXT) or (attribute.required and kept is list):  # the latter refuses empty items
            kept = None
        steady = not own and not attribute.static and attribute.isa in ("bool", "int", "float", "percent", "string")
        rules.append(Rule(name, f"_{attribute.name}", attribute, kept, own and name in LATER, steady, Bounded(MOST)))
    return tuple(rules)


class Some(dict):  # type: ignore[type-arg]
    """Some of an object's attributes; who asks for another gets it from the class."""

    def __init__(self, kind: type) -> None:
        super().__init__()
        self._kind = kind

    def __missing__(self, name: str) -> Any:
        return self._kind.fattributes[name]  # type: ignore[attr-defined]


class Work(NamedTuple):
    """What post-validation has to do for an object."""

    some: Some
    #: For each of them, its rule and value.
    before: list[tuple[Rule, Any]]
    #: Attributes whose new value is known.
    known: list[tuple[Any, Any]]


_known: dict[type, tuple[Rule, ...]] = {}


def work(thing: Any) -> Optional[Work]:
    """What post-validation has to do for this object; None if nothing."""
    kind = type(thing)
    rules = _known.get(kind)
    if rules is None:
        rules = _known[kind] = _rules(kind)
    held = thing.__dict__
    inherits = not (held.get("_squashed") or held.get("_finalized")) and hasattr(kind, "_get_parent_attribute")
    todo: Optional[Work] = None
    for rule in rules:
        attribute = rule.attribute
        if inherits and isinstance(attribute, attributes.FieldAttribute):
            value = getattr(thing, rule.name)
        else:
            value = held.get(rule.key, Sentinel)
            if value is Sentinel:
                value = attribute.default
                if callable(value):
                    value = value()
        if value is None and not attribute.required:
            continue
        if rule.leaves(value) or (type(value) is set and not value):
            continue
        if todo is None:
            todo = Work(Some(kind), [], [])
        learned = rule.results.get(id(value))
        if learned is not None and learned[0] is value:
            todo.known.append((attribute, learned[1]))
        else:
            todo.some[rule.name] = attribute
            todo.before.append((rule, value))
    return todo


def _with_attributes(some: dict[str, Any], method: Any, thing: Any, *args: Any) -> Any:
    """Call a method of upstream's such that it finds only some of the object's attributes."""
    held = thing.__dict__
    # The class has a property of this name that is no data descriptor: the object's own comes first.
    held["fattributes"] = some
    try:
        return method(thing, *args)
    finally:
        held.pop("fattributes", None)


def _install_validation() -> None:
    validate, validate_task = base.FieldAttributeBase.post_validate, Task.post_validate

    def post_validate(self: Any, templar: Any) -> None:
        todo = work(self)
        if todo is None:
            self._finalized = True
            return
        for attribute, value in todo.known:
            attribute.__set__(self, value)
        if not todo.some:
            self._finalized = True
            return
        _with_attributes(todo.some, validate, self, templar)
        for rule, value in todo.before:
            rule.learn(value, self.__dict__.get(rule.key))

    def post_validate_task(self: Any, templar: Any) -> None:
        parent = self._parent
        if parent is not None and work(parent) is not None:
            # It is shared by the tasks of all hosts, and what is templated for one must not stay.
            self._parent = own = object.__new__(type(parent))
            own.__dict__.update(parent.__dict__)
        validate_task(self, templar)

    base.FieldAttributeBase.post_validate = post_validate
    Task.post_validate = post_validate_task


def _install_reading() -> None:
    inherited, own = attributes.FieldAttribute.__get__, attributes.Attribute.__get__

    def get_inherited(self: Any, obj: Any, obj_type: Any = None) -> Any:
        held = obj.__dict__ if obj is not None else {}
        value = held.get("_" + self.name, Sentinel)
        # What a task has of its own it inherits only where values add up (Task._get_parent_attribute): a loop's copies have all of them.
        if value is not Sentinel and (held.get("_squashed") or held.get("_finalized") or (not self.extend and isinstance(obj, Task))):
            return value
        return inherited(self, obj, obj_type)

    def get_own(self: Any, obj: Any, obj_type: Any = None) -> Any:
        held = obj.__dict__ if obj is not None else {}
        if held.get("_squashed"):
            value = held.get("_" + self.name, Sentinel)
            if value is not Sentinel:
                return value
        return own(self, obj, obj_type)

    attributes.FieldAttribute.__get__ = get_inherited
    attributes.Attribute.__get__ = get_own


class Field(NamedTuple):
    """How an attribute is read."""

    name: str
    key: str
    #: Whether a value that the object holds is what reading gives; otherwise only once the object is squashed.
    own: bool


def _fields(kind: Any) -> tuple[tuple[Field, ...], dict[str, Any]]:
    """The attributes of a class that may be read without their descriptors, and the others."""
    fields, others = [], {}
    for name, attribute in kind.fattributes.items():
        read = type(attribute).__get__
        if attribute.isa == "class" or read not in (attributes.Attribute.__get__, attributes.FieldAttribute.__get__):
            others[name] = attribute
        else:
            own = read is attributes.Attribute.__get__ and not hasattr(kind, f"_get_attr_{name}")
            fields.append(Field(name, f"_{attribute.name}", own))
    return tuple(fields), others


def _install_dumping() -> None:
    upstream = base.FieldAttributeBase.dump_attrs
    known: dict[type, tuple[tuple[Field, ...], dict[str, Any]]] = {}

    def dump_attrs(self: Any) -> Any:
        kind = type(self)
        if kind not in known:
            known[kind] = _fields(kind)
        fields, others = known[kind]
        held = self.__dict__
        squashed = held.get("_squashed")
        dumped = dict.fromkeys(kind.fattributes)
        for name, key, own in fields:
            value = held.get(key, Sentinel) if squashed or own else Sentinel
            dumped[name] = getattr(self, name) if value is Sentinel else value
        if others:
            dumped.update(_with_attributes(others, upstream, self))
        return dumped

    base.FieldAttributeBase.dump_attrs = dump_attrs


class Blank(NamedTuple):
    """What a new object of a class holds beside its attributes, and their keys."""

    held: dict[str, Any]
    keys: tuple[str, ...]


def _blank(kind: Any) -> Optional[Blank]:
    """None if a copy of an object of this class is more than a new object with the old one's attributes."""
    keys = tuple(f"_{name}" for name in kind.fattributes)
    held = {key: value for key, value in kind().__dict__.items() if key not in keys}
    if not all(value is None or isinstance(value, (bool, int, float, str)) for value in held.values()):
        return None
    if not all(type(attribute).__set__ is attributes.Attribute.__set__ for attribute in kind.fattributes.values()):
        return None
    return Blank(held, keys)


#: Beside the attributes, what upstream's copy takes from the original (2.14 to 2.21).
COPIED = ("_loader", "_variable_manager", "_origin", "_validated", "_finalized", "_uuid", "_ds")


def _install_copying() -> None:
    upstream = base.FieldAttributeBase.copy
    blanks: dict[type, Optional[Blank]] = {}

    def copy_of(self: Any) -> Any:
        kind = type(self)
        if kind not in blanks:
            blanks[kind] = _blank(kind)
        blank = blanks[kind]
        if blank is None:
            return upstream(self)
        mine, held = object.__new__(kind), self.__dict__
        own = mine.__dict__
        own.update(blank.held)
        for key in blank.keys:
            value = held.get(key, Sentinel)
            own[key] = value if type(value) in ATOMS else copy.copy(value)
        for key in COPIED:
            if key in held:
                own[key] = held[key]
        return mine

    base.FieldAttributeBase.copy = copy_of


def install() -> None:
    """Put them in place; this process is a worker for the rest of its life."""
    if hasattr(base.FieldAttributeBase, "fattributes"):
        _install_validation()
        _install_reading()
        _install_copying()
        _install_dumping()
