"""Lazy task variables: a dictionary to whoever reads it, computed at most once, and honest about changes."""

from __future__ import annotations

import collections
import copy
import json
import pickle
import string
import types
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitopatch.versions.facts import OverlayCache, read
from mitopatch.versions.lazy import FilledWhenRead, LazyTaskVars, LazyVariables

VALUES = {"a": 1, "b": {"c": [2, 3]}, "z": None}


class Counted:
    """[test] How the variables are computed, and how often."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values
        self.times = 0

    def __call__(self) -> dict[str, Any]:
        self.times += 1
        return dict(self.values)


def lazy(values: dict[str, Any] = VALUES) -> tuple[LazyTaskVars, Counted]:
    compute = Counted(values)
    return LazyTaskVars(compute, "play", "host", "task"), compute


def keywords(**values: Any) -> dict[str, Any]:
    return values


def mixed(first: Any, **values: Any) -> dict[str, Any]:
    return values


def matched(value: Any) -> Any:
    # Written so that Python 3.9 can read it; what a mapping pattern does.
    return (value.get("a"), "b" in value, len(value))


READS: dict[str, Callable[[Any], Any]] = {
    "dict()": dict,
    "dict(, more)": lambda x: dict(x, more=1),
    "** in a display": lambda x: {**x},
    "** after others": lambda x: {"q": 1, **x, "r": 2},
    "** in a call": lambda x: keywords(**x),
    "** in a call beside others": lambda x: mixed(1, q=2, **x),
    "x | y": lambda x: x | {"y": 2},
    "y | x": lambda x: {"y": 2} | x,
    "y |= x": lambda x: _ior({"y": 2}, x),
    "y.update(x)": lambda x: _updated({"y": 2}, x),
    "json": json.dumps,
    "json, indented": lambda x: json.dumps(x, indent=1),
    "json, sorted": lambda x: json.dumps(x, sort_keys=True),
    "json, nested": lambda x: json.dumps({"in": [x]}),
    "json, encoder": lambda x: json.JSONEncoder().encode(x),
    "copy.copy": copy.copy,
    "copy.deepcopy": copy.deepcopy,
    ".copy()": lambda x: x.copy(),
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),
    "pickle 2": lambda x: pickle.loads(pickle.dumps(x, 2)),
    "iteration": lambda x: [key for key in x],  # noqa: C416 - the loop itself
    "list()": list,
    "sorted()": sorted,
    "set()": set,
    "tuple()": tuple,
    "reversed()": lambda x: list(reversed(x)),
    "enumerate()": lambda x: list(enumerate(x)),
    "*": lambda x: [*x],
    "len": len,
    "in": lambda x: ("a" in x, "nope" in x),
    "[]": lambda x: x["b"],
    "get": lambda x: (x.get("a"), x.get("nope"), x.get("nope", 5)),
    "keys": lambda x: list(x.keys()),
    "keys as a set": lambda x: x.keys() & {"a", "q"},
    "values": lambda x: list(x.values()),
    "items": lambda x: list(x.items()),
    "==": lambda x: (x == VALUES, x == VALUES, x == {}, x == 1),
    "!=": lambda x: (x != VALUES, x != VALUES, x != {}, x != 1),
    "repr": repr,
    "str": str,
    "format": lambda x: f"{x}",
    "%(name)s": lambda x: "%(a)s %(z)s" % x,  # noqa: UP031 - the mapping form
    "format_map": "{a}".format_map,
    "string.Template": lambda x: string.Template("$a").substitute(x),
    "ChainMap": lambda x: dict(collections.ChainMap({"q": 1}, x)),
    "ChainMap []": lambda x: collections.ChainMap({"q": 1}, x)["a"],
    "ChainMap len": lambda x: len(collections.ChainMap(x)),
    "OrderedDict": collections.OrderedDict,
    "defaultdict": lambda x: collections.defaultdict(list, x),
    "Counter.update": lambda x: list(collections.Counter(x.keys())),
    "UserDict": lambda x: dict(collections.UserDict(x)),
    "MappingProxyType": lambda x: dict(types.MappingProxyType(x)),
    "MappingProxyType len": lambda x: len(types.MappingProxyType(x)),
    "SimpleNamespace": lambda x: vars(types.SimpleNamespace(**x)),
    "fromkeys": dict.fromkeys,
    "zip": lambda x: dict(zip(x, x.values())),
    "max": max,
    "eval": lambda x: eval("a + 1", {}, x),
    "mapping pattern": matched,
}


def _ior(one: dict[str, Any], other: Any) -> dict[str, Any]:
    one |= other
    return one


def _updated(one: dict[str, Any], other: Any) -> dict[str, Any]:
    one.update(other)
    return one


@pytest.mark.parametrize("name", READS)
def test_reads_like_a_dictionary(name: str) -> None:
    """The very first look at it gives what a plain dictionary gives; a second look computes nothing."""
    variables, compute = lazy()
    read = READS[name]
    wanted = read(dict(VALUES))
    for _ in range(2):
        found = read(variables)
        assert found == wanted
        assert type(found) is type(wanted)
    assert compute.times == 1
    assert not variables.changed


def test_never_read_is_never_computed() -> None:
    variables, compute = lazy()
    assert variables.play == "play"
    assert (variables.host, variables.task, variables.changed) == ("host", "task", False)
    assert isinstance(variables, dict)
    assert variables
    assert variables is not None
    variables.later(lambda computed: computed.update(q=1))
    assert compute.times == 0
    with pytest.raises(TypeError):
        hash(variables)
    assert compute.times == 0


def test_combine_vars() -> None:
    """Upstream's own way to lay variables over each other."""
    combine = pytest.importorskip("ansible.utils.vars")
    for name in ("combine_vars", "merge_hash"):
        for left in (True, False):
            variables, compute = lazy()
            pair = (variables, {"b": {"d": 1}}) if left else ({"b": {"d": 1}}, variables)
            plain = (dict(VALUES), {"b": {"d": 1}}) if left else ({"b": {"d": 1}}, dict(VALUES))
            assert getattr(combine, name)(*pair) == getattr(combine, name)(*plain)
            assert compute.times == 1


def test_steps_for_later() -> None:
    """Part of the computation, in order; no change. After the computation they happen at once."""
    variables, compute = lazy({"a": 1})
    variables.later(lambda computed: computed.update(b=computed["a"] + 1))
    variables.later(lambda computed: computed.update(c=computed["b"] + 1))
    assert dict(variables) == {"a": 1, "b": 2, "c": 3}
    assert (compute.times, variables.changed) == (1, False)


def test_an_error_is_the_readers() -> None:
    """What computing raises is raised to whoever reads, each time; it is not taken for an empty dictionary."""

    def fail() -> dict[str, Any]:
        raise KeyError("vars plugin")

    variables = LazyTaskVars(fail, None, None, None)
    for _ in range(2):
        with pytest.raises(KeyError, match="vars plugin"):
            variables.get("a")


WRITES: dict[str, Callable[[Any], Any]] = {
    "[]=": lambda x: x.__setitem__("n", 1),
    "[]= of the same": lambda x: x.__setitem__("a", 1),
    "del": lambda x: x.__delitem__("a"),
    "update": lambda x: x.update({"n": 1}),
    "update by keyword": lambda x: x.update(n=1),
    "update by pairs": lambda x: x.update([("n", 1)], m=2),
    "|=": lambda x: x.__ior__({"n": 1}),
    "pop": lambda x: x.pop("a"),
    "pop with default": lambda x: x.pop("nope", 3),
    "popitem": lambda x: x.popitem(),
    "setdefault": lambda x: x.setdefault("n", 4),
    "setdefault of what is there": lambda x: x.setdefault("a", 4),
    "clear": lambda x: x.clear(),
}


@pytest.mark.parametrize("name", WRITES)
def test_every_write_is_noticed(name: str) -> None:
    variables, compute = lazy()
    plain = dict(VALUES)
    expected, found = WRITES[name](plain), WRITES[name](variables)
    assert variables.changed
    assert (found is variables) if name == "|=" else (found == expected)
    assert dict(variables) == plain
    assert compute.times <= 1


def test_every_method_of_a_dictionary_is_listed() -> None:
    """A method that Python adds to dict would bypass the computation: it must be looked at here first."""
    own = {*vars(LazyTaskVars), *vars(FilledWhenRead)}
    inherited = {name for name in vars(dict) if name not in own}
    # Making one, looking it up, sizes, comparisons that dict does not have: none of them reads the content.
    assert inherited <= {
        "__new__", "__getattribute__", "__lt__", "__le__", "__gt__", "__ge__", "__sizeof__", "fromkeys", "__class_getitem__",
    }, inherited  # fmt: skip


KEYS = st.sampled_from("abcde")
OPERATIONS = st.one_of(
    st.tuples(st.just("set"), KEYS, st.integers(0, 9)),
    st.tuples(st.just("del"), KEYS),
    st.tuples(st.just("get"), KEYS),
    st.tuples(st.just("pop"), KEYS),
    st.tuples(st.just("pop default"), KEYS, st.integers(0, 9)),
    st.tuples(st.just("popitem")),
    st.tuples(st.just("setdefault"), KEYS, st.integers(0, 9)),
    st.tuples(st.just("update"), st.dictionaries(KEYS, st.integers(0, 9))),
    st.tuples(st.just("ior"), st.dictionaries(KEYS, st.integers(0, 9))),
    st.tuples(st.just("or"), st.dictionaries(KEYS, st.integers(0, 9))),
    st.tuples(st.just("ror"), st.dictionaries(KEYS, st.integers(0, 9))),
    st.tuples(st.just("clear")),
    st.tuples(st.just("read"), st.sampled_from(sorted(set(READS) & {"dict()", "json", "len", "keys", "items", "repr", "copy.deepcopy"}))),
)


def perform(variables: Any, operation: tuple[Any, ...]) -> Any:
    kind, *rest = operation
    steps: dict[str, Callable[[], Any]] = {
        "set": lambda: variables.__setitem__(*rest),
        "del": lambda: variables.__delitem__(*rest),
        "get": lambda: variables[rest[0]],
        "pop": lambda: variables.pop(*rest),
        "pop default": lambda: variables.pop(*rest),
        "popitem": variables.popitem,
        "setdefault": lambda: variables.setdefault(*rest),
        "update": lambda: variables.update(*rest),
        "ior": lambda: dict(variables.__ior__(*rest)),
        "or": lambda: variables | rest[0],
        "ror": lambda: rest[0] | variables,
        "clear": variables.clear,
        "read": lambda: READS[rest[0]](variables),
    }
    try:
        return steps[kind]()
    except KeyError as exc:
        return type(exc), exc.args


@given(st.dictionaries(KEYS, st.integers(0, 9)), st.lists(OPERATIONS, max_size=15))
def test_like_a_dictionary_whatever_is_done(start: dict[str, int], operations: list[tuple[Any, ...]]) -> None:
    variables, compute = lazy(start)
    plain = dict(start)
    wrote = False
    for operation in operations:
        assert perform(variables, operation) == perform(plain, operation), operation
        wrote = wrote or operation[0] not in ("get", "or", "ror", "read")
        assert variables.changed == wrote
    assert list(variables.items()) == list(plain.items())
    assert compute.times <= 1


class Manager:
    """[test] A variable manager as a strategy uses it."""

    extra = "before"

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def get_vars(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        self.asked.append(kwargs)
        return {"name": kwargs.get("task")}


def test_a_strategys_variable_manager() -> None:
    manager, debugging = Manager(), [False]
    variables = LazyVariables(manager, lambda task: debugging[0])
    full = {"play": "p", "host": "h", "task": "t", "_hosts": ["h"], "_hosts_all": ["h"]}
    found = variables.get_vars(**full)
    assert isinstance(found, LazyTaskVars)
    assert manager.asked == []
    assert found["name"] == "t"
    assert manager.asked == [full]
    assert (found.play, found.host, found.task) == ("p", "h", "t")
    for missing in ("play", "host", "task", "_hosts"):
        asked = {**full, missing: None}
        assert not isinstance(variables.get_vars(**asked), LazyTaskVars), missing
    assert not isinstance(variables.get_vars("p", "h", "t"), LazyTaskVars)
    debugging[0] = True
    assert not isinstance(variables.get_vars(**full), LazyTaskVars), "the debugger shows and changes them"
    variables.extra = "after"
    assert manager.extra == variables.extra == "after"


# -- facts --------------------------------------------------------------------------------------------------------------


class Plugin:
    """[test] A cache plugin that must not be written to."""

    own = "of the plugin"

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = dict(values)

    def get(self, key: str) -> Any:
        return self._values[key]

    def keys(self) -> Any:
        return self._values.keys()

    def __iter__(self) -> Any:
        return iter(self._values)

    def contains(self, key: str) -> bool:
        return key in self._values

    def set(self, key: str, value: Any) -> None:
        raise AssertionError("written by a worker")

    def delete(self, key: str) -> None:
        raise AssertionError("deleted by a worker")

    def flush(self) -> None:
        raise AssertionError("flushed by a worker")


CACHE = st.one_of(
    st.tuples(st.just("set"), KEYS, st.integers()),
    st.tuples(st.just("delete"), KEYS),
    st.tuples(st.just("get"), KEYS),
    st.tuples(st.just("contains"), KEYS),
    st.tuples(st.just("keys")),
    st.tuples(st.just("copy")),
    st.tuples(st.just("flush")),
)


@given(st.dictionaries(KEYS, st.integers()), st.lists(CACHE, max_size=20))
def test_the_overlay_is_the_cache_and_the_plugin_is_not_written(start: dict[str, int], operations: list[tuple[Any, ...]]) -> None:
    plugin = Plugin(start)
    overlay, model = OverlayCache(plugin, read(plugin, list(start)[::2])), dict(start)
    for kind, *rest in operations:
        if kind == "set":
            overlay.set(*rest)
            model[rest[0]] = rest[1]
        elif kind == "delete":
            overlay.delete(*rest)
            model.pop(rest[0], None)
        elif kind == "flush":
            overlay.flush()
            model.clear()
        elif kind == "contains":
            assert overlay.contains(*rest) == (rest[0] in model)
        elif kind == "get":
            if rest[0] in model:
                assert overlay.get(*rest) == model[rest[0]]
            else:
                with pytest.raises(KeyError):
                    overlay.get(*rest)
        elif kind == "keys":
            assert sorted(overlay.keys()) == sorted(model)
        elif kind == "copy":
            assert overlay.copy() == model
    assert plugin._values == start
    assert overlay.own == "of the plugin"
