"""What a worker does to a task's attributes, against upstream's own functions on the same objects."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("ansible", reason="ansible-core is not installed")

from ansible.parsing.dataloader import DataLoader
from ansible.playbook import attribute, base
from ansible.playbook.block import Block
from ansible.playbook.play import Play
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.template import Templar

if not hasattr(base.FieldAttributeBase, "fattributes"):
    pytest.skip("attributes are no descriptors before 2.14", allow_module_level=True)

#: Keywords of a task with values as YAML, of every kind; some are refused, some by upstream's conversion, some by templating.
KEYWORDS = {
    "name": ["plain", "'{{ one }}'", "'{{ missing }}'", "''"],
    "become": ["true", "'yes'", "'{{ flag }}'", "'no such'", "null"],
    "become_user": ["root", "'{{ one }}'", "5"],
    "become_method": ["sudo", "'{{ one }}'"],
    "connection": ["local", "'{{ one }}'", "smart"],
    "remote_user": ["me", "'{{ missing }}'", "12"],
    "port": ["22", "'23'", "'{{ number }}'", "x"],
    "tags": ["[a, b]", "a", "['{{ one }}']", "'a,b'"],
    "when": ["true", "one == 'x'", "[one is defined, true]", "'{{ one }}'"],
    "changed_when": ["false", "missing", "[one]"],
    "failed_when": ["one == '{{ two }}'"],
    "until": ["one"],
    "retries": ["3", "'4'", "'{{ number }}'", "a"],
    "delay": ["1", "'{{ number }}'", "0.5"],
    "throttle": ["2", "'{{ number }}'", "-1"],
    "ignore_errors": ["true", "'{{ flag }}'", "'yes'"],
    "no_log": ["false", "'{{ flag }}'"],
    "check_mode": ["no", "'{{ flag }}'"],
    "diff": ["yes"],
    "environment": ["{A: b}", "{A: '{{ one }}'}", "['{{ mapping }}', {B: c}]"],
    "vars": ["{v: '{{ one }}'}", "{}"],
    "register": ["result"],
    "notify": ["handler", "['{{ one }}', b]"],
    "delegate_to": ["h1", "'{{ one }}'"],
    "loop": ["[1, 2]", "'{{ several }}'"],
    "loop_control": ["{label: '{{ item }}'}", "{pause: 1, extended: yes}", "{pause: '{{ number }}'}", "{loop_var: '{{ one }}'}"],
    "module_defaults": ["{ping: {data: '{{ one }}'}}", "[]"],
    "any_errors_fatal": ["yes", "'{{ flag }}'"],
    "run_once": ["no", "'{{ missing }}'"],
    "timeout": ["0", "'{{ number }}'"],
    "async": ["10", "'{{ number }}'"],
    "poll": ["0", "'{{ number }}'"],
    "debugger": ["never", "on_failed"],
    "ignore_unreachable": ["'{{ flag }}'"],
}
VARIABLES = {
    "one": "x", "two": "y", "flag": True, "number": 7, "several": [3, 4], "mapping": {"M": "n"}, "omit": "__omit_place_holder__0",
}  # fmt: skip
#: The play context's own, as set_task_and_variable_override may set them from variables.
CONTEXT: dict[str, list[Any]] = {
    "remote_addr": [None, "h1", "{{ one }}"],
    "port": [None, 22, "23", "{{ number }}", "x"],
    "remote_user": [None, "me", 5],
    "timeout": [10, "11", None],
    "become": [None, True, "yes", "{{ flag }}"],
    "become_flags": [None, "-H", "{{ missing }}"],
    "pipelining": [True, "no"],
    "executable": ["/bin/sh", None],
}


class Upstream(NamedTuple):
    """Upstream's own functions."""

    validate: Any
    validate_task: Any
    copy: Any


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    """Ours are in place; what they replace is in the hand."""
    patch = pytest.MonkeyPatch()
    for kind, names in (
        (base.FieldAttributeBase, ("post_validate", "copy")),
        (Task, ("post_validate",)),
        (attribute.FieldAttribute, ("__get__",)),
        (attribute.Attribute, ("__get__",)),
    ):
        for name in names:
            patch.setattr(kind, name, getattr(kind, name))
    found = Upstream(base.FieldAttributeBase.post_validate, Task.post_validate, base.FieldAttributeBase.copy)
    importlib.import_module("mitopatch.versions.attributes").install()
    yield found
    patch.undo()


def tags(value: Any) -> Any:
    """From 2.19 on, what a value carries beside itself."""
    held = getattr(value, "_ansible_tags_mapping", None)
    return sorted(map(repr, held.values())) if held else []


def picture(value: Any) -> Any:
    """A value with the types of all in it."""
    if isinstance(value, dict):
        return (type(value), tags(value), [(picture(key), picture(item)) for key, item in value.items()])
    if isinstance(value, (list, tuple)):
        return (type(value), tags(value), [picture(item) for item in value])
    if isinstance(value, base.FieldAttributeBase):
        return attributes(value)
    return (type(value), tags(value), value)


def attributes(thing: Any) -> Any:
    """All attributes of an object as its users see them."""
    return type(thing), thing._finalized, {name: picture(getattr(thing, name)) for name in sorted(type(thing).fattributes)}


def outcome(function: Any, thing: Any, *arguments: Any) -> Any:
    """What came of it: the object, or the error."""
    try:
        function(thing, *arguments)
    except Exception as exc:
        return type(exc), str(exc)
    return attributes(thing)


def templar() -> Any:
    """As a task executor has it; from 2.19 on that is the engine behind a Templar."""
    made = Templar(loader=DataLoader(), variables=dict(VARIABLES))
    return getattr(made, "_engine", made)


def task_of(text: str, block: str) -> Any:
    """A task in a block, as read from a playbook, its inherited values taken over as in a worker."""
    loader = DataLoader()
    play = Play.load({"name": "p", "hosts": "all", "tasks": []}, loader=loader)
    parent = Block.load(loader.load(f"{{block: [], {block}}}"), play=play, loader=loader)
    task = Task.load(loader.load("{debug: {msg: '{{ one }}'}" + text + "}"), block=parent, loader=loader)
    task.squash()
    return task


def own(task: Any) -> Any:
    mine = object.__new__(type(task))
    mine.__dict__.update({key: copy.copy(value) if type(value) in (list, dict) else value for key, value in task.__dict__.items()})
    for key in ("_loop_control",):
        held = mine.__dict__.get(key)
        if isinstance(held, base.FieldAttributeBase):
            mine.__dict__[key] = held.copy()
    return mine


PAIRS = [(key, value) for key, values in KEYWORDS.items() for value in values]
chosen = st.lists(st.sampled_from(PAIRS), max_size=4, unique_by=lambda pair: pair[0]).map(dict)


@given(keywords=chosen, block=st.sampled_from(["name: b", "name: '{{ one }}'", "name: '{{ missing }}'", "become: yes, tags: [t]"]))
@settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))
def test_a_task_becomes_what_upstream_makes_of_it(upstream: Upstream, keywords: dict[str, str], block: str) -> None:
    """Also for a second and a third host; and the task that is shared stays as it was."""
    text = "".join(f", {key}: {value}" for key, value in keywords.items())
    try:
        task = task_of(text, block)
    except Exception:  # refused when it is read
        return
    before, parent = attributes(task), attributes(task._parent)

    def by_upstream(mine: Any, with_templar: Any) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(base.FieldAttributeBase, "post_validate", upstream.validate)
            patch.setattr(Task, "post_validate", upstream.validate_task)
            # Upstream's may write into the parent; that is the test's, not ours.
            mine._parent = own(mine._parent)
            mine.post_validate(with_templar)

    wanted = outcome(by_upstream, own(task), templar())
    for _ in range(3):
        assert outcome(Task.post_validate, own(task), templar()) == wanted
    assert attributes(task) == before
    if block != "name: b":
        task._parent._finalized = parent[1]
    assert attributes(task._parent)[2] == parent[2]


@given(values=st.fixed_dictionaries({}, optional={key: st.sampled_from(held) for key, held in CONTEXT.items()}))
@settings(deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))
def test_a_play_context_becomes_what_upstream_makes_of_it(upstream: Upstream, values: dict[str, Any]) -> None:
    context = PlayContext()
    for name, value in values.items():
        setattr(context, name, value)
    assert attributes(context.copy()) == attributes(upstream.copy(context))
    assert vars(context.copy()) == vars(upstream.copy(context))
    wanted = outcome(upstream.validate, upstream.copy(context), templar())
    for _ in range(2):
        assert outcome(PlayContext.post_validate, context.copy(), templar()) == wanted


@given(keywords=chosen)
@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
def test_a_copy_is_upstreams(upstream: Upstream, keywords: dict[str, str]) -> None:
    """A loop makes one for each item; what is changed in one is not in the other."""
    try:
        task = task_of("".join(f", {key}: {value}" for key, value in keywords.items()), "name: b")
    except Exception:
        return
    ours, theirs = task.copy(), upstream.copy(task)
    assert attributes(ours) == attributes(theirs)
    ours.tags.append("more")
    assert "more" not in task.tags


def test_most_of_a_task_is_left_alone(upstream: Upstream) -> None:
    """Else the whole would be for nothing: what is looked at again for the next host."""
    module = importlib.import_module("mitopatch.versions.attributes")
    task = task_of(", become: yes, retries: 3, when: one is defined", "name: b")
    for _ in range(2):
        mine = own(task)
        todo = module.work(mine)
        assert todo is not None
        mine.post_validate(templar())
    assert set(todo.some) <= {"action", "args", "environment", "loop_control", "name", "tags", "when", "become"}
