"""Objects that are shipped once and named ever after: both sides agree on every number and every attribute."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Hashable, Iterator
from types import MappingProxyType
from typing import Any, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitopatch.runtime import objects
from mitopatch.runtime.objects import Registry, Unshippable


class Node:
    """Of a shared kind; any attributes."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)


class Word(str):
    """Text of a class that has another way to be pickled."""

    def __reduce__(self) -> Any:
        raise RuntimeError("never asked")


class SubNode(Node):
    """A subclass is shared too."""


class Anchor:
    """Both sides have it, by name."""

    def __init__(self, name: str) -> None:
        self.name = name


class Sides:
    """[test] A controller's registry and a worker's, each with its own anchors of the same names."""

    def __init__(self) -> None:
        self.here = {name: Anchor(name) for name in ("loader", "inventory")}
        self.there = {name: Anchor(name) for name in ("loader", "inventory")}
        reducers: Any = {Word: lambda text: (str, (str(text).upper(),))}
        self.mine = Registry((Node,), self.name_of, self.here.__getitem__, ignore=("private",), reducers=reducers)
        self.theirs = Registry((Node,), self.name_of, self.there.__getitem__)

    @staticmethod
    def name_of(obj: Any) -> Optional[Hashable]:
        return obj.name if isinstance(obj, Anchor) else None

    def ship(self, value: Any) -> Any:
        """What arrives at the worker."""
        data = self.mine.dump(value)
        self.theirs.activate()
        return objects.load(data)

    def tell_changes(self, number: int) -> dict[str, Any]:
        changed = self.mine.changes(number)
        if changed:
            known, values = self.ship((number, changed))
            objects.update(known, values)
            self.mine.told(number, changed)
        return changed

    def agree(self) -> None:
        """Every object has the same number, class and attributes on both sides; references are compared by number."""
        assert set(self.mine.objects) == set(self.theirs.objects)
        numbers = {id(obj): number for number, obj in self.theirs.objects.items()}

        def same(one: Any, other: Any) -> None:
            number = self.mine.number(one)
            if number is not None:
                assert numbers[id(other)] == number
            elif isinstance(one, Anchor):
                assert other is self.there[one.name]
            elif isinstance(one, (list, tuple)):
                assert type(one) is type(other)
                assert len(one) == len(other)
                for left, right in zip(one, other):
                    same(left, right)
            elif isinstance(one, dict):
                assert list(one) == list(other)
                for key in one:
                    same(one[key], other[key])
            else:
                assert one == other

        for number, obj in self.mine.objects.items():
            assert type(obj) is type(self.theirs.objects[number])
            same(vars(obj), vars(self.theirs.objects[number]))


@pytest.fixture
def sides() -> Iterator[Sides]:
    before = objects._active
    yield Sides()
    objects._active = before


def test_numbers_agree_and_identity_is_kept(sides: Sides) -> None:
    shared = Node(text="one")
    task = SubNode(parent=shared, also=[shared, shared], loader=sides.here["loader"], free={"a": (1, None)})
    arrived = sides.ship(task)
    assert type(arrived) is SubNode
    assert arrived.parent is arrived.also[0] is arrived.also[1]
    assert arrived.loader is sides.there["loader"]
    sides.agree()
    # A second shipment that mentions them sends their numbers only.
    again = sides.mine.dump([task, shared])
    assert len(again) < 200
    sides.theirs.activate()
    assert [id(obj) for obj in objects.load(again)] == [id(arrived), id(arrived.parent)]


def test_cycles(sides: Sides) -> None:
    """A block knows its tasks and a task its block; one may be its own parent."""
    block = Node(tasks=[])
    block.tasks += [SubNode(block=block, n=n) for n in range(3)]
    block.itself = block
    arrived = sides.ship(block)
    assert all(task.block is arrived for task in arrived.tasks)
    assert arrived.itself is arrived
    sides.agree()


def test_deep_chains(sides: Sides) -> None:
    """A few hundred nested blocks are no reason for another route; what is too deep for pickle is refused, not half sent."""
    chain: Any = None
    for number in range(100):
        chain = Node(next=chain, number=number)
    sides.ship(chain)
    sides.agree()
    for number in range(100000):
        chain = Node(next=chain, number=number)
    with pytest.raises(Unshippable, match="RecursionError"):
        sides.mine.dump(chain)
    sides.agree()
    while chain is not None:  # link by link: freeing it in one go would recurse too
        chain = chain.next


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.sampled_from("abc")), max_size=8), min_size=1, max_size=5),
    st.data(),
)
def test_random_graphs_and_changes(rounds: list[list[tuple[int, int, str]]], data: st.DataObject) -> None:
    """Rounds of: link nodes at random, ship some of them, tell what changed on all the others; both sides agree each time."""
    before = objects._active
    try:
        sides = Sides()
        nodes = [Node(index=index) for index in range(10)]
        for edges in rounds:
            for start, end, name in edges:
                setattr(nodes[start], name, nodes[end] if name != "c" else [nodes[end], sides.here["inventory"]])
            for number in list(sides.mine.objects):
                sides.tell_changes(number)
            sides.ship(data.draw(st.lists(st.sampled_from(nodes), max_size=4), label="shipped"))
            sides.agree()
    finally:
        objects._active = before


def test_unshippable_leaves_nothing_behind(sides: Sides) -> None:
    known = Node(name="known")
    sides.ship(known)
    good, bad = Node(name="good"), Node(lock=threading.Lock())
    for value in ([good, bad], [bad], {"a": good, "b": lambda: None}):
        with pytest.raises(Unshippable):
            sides.mine.dump(value)
        assert sides.mine.number(good) is None
        assert sides.mine.number(bad) is None
        assert set(sides.mine.objects) == {sides.mine.number(known)}
    del bad.lock
    sides.ship([good, bad, known])
    sides.agree()


def test_changes_since_the_last_time(sides: Sides) -> None:
    node = Node(name="a", args={"x": 1}, private=1)
    sides.ship(node)
    number = sides.mine.number(node)
    assert number is not None
    assert sides.mine.changes(number) == {}
    node.name = "b"
    node.private = 2
    node.new = None
    other = Node(name="other")
    node.args = {"x": other}
    assert sides.tell_changes(number) == {"name": "b", "new": None, "args": {"x": other}}
    assert sides.mine.changes(number) == {}, "told once"
    assert sides.theirs.objects[number].name == "b"
    assert sides.theirs.objects[number].private == 1, "ignored attributes stay as they were"
    assert sides.theirs.objects[number].args["x"].name == "other"
    node.name = "a"
    assert sides.mine.changes(number) == {"name": "a"}, "back to the first value is a change"
    assert sides.mine.changes(number) == {"name": "a"}, "nobody was told yet"


def test_a_new_equal_value_is_a_change(sides: Sides) -> None:
    """By identity: cheaper than comparing, and an equal value of another type would not be the same."""
    node = Node(flag=True)
    sides.ship(node)
    number = sides.mine.number(node)
    assert number is not None
    node.flag = 1
    assert sides.mine.changes(number) == {"flag": 1}


def test_without_a_registry() -> None:
    before = objects._active
    registry = Registry((Node,), Sides.name_of, {}.__getitem__)
    data = registry.dump([Node(), Anchor("loader")])
    again = registry.dump(list(registry.objects.values()))
    named = registry.dump(Anchor("loader"))
    objects._active = None
    try:
        for pickled in (data, again, named):
            with pytest.raises(RuntimeError, match="no registry"):
                objects.load(pickled)
        with pytest.raises(RuntimeError, match="no registry"):
            objects.update(1, {})
    finally:
        objects._active = before


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork.*:DeprecationWarning")
def test_over_a_fork(sides: Sides) -> None:
    """What was numbered before the fork is known to the child; what comes later is loaded there; the numbers are the same."""
    context = multiprocessing.get_context("fork")
    early = Node(name="early")
    sides.mine.dump(early)
    ours, theirs = context.Pipe()

    def child() -> None:
        sides.mine.activate()
        while True:
            data = theirs.recv_bytes()
            if not data:
                break
            loaded = objects.load(data)
            if isinstance(loaded, tuple):
                objects.update(*loaded)
            theirs.send({n: (obj.name, getattr(getattr(obj, "parent", None), "name", None)) for n, obj in sides.mine.objects.items()})

    process = context.Process(target=child, daemon=True)
    process.start()
    theirs.close()
    try:
        late = Node(name="late", parent=early)
        steps = [sides.mine.dump(late)]
        early.name = "renamed"
        number = sides.mine.number(early)
        assert number is not None
        steps.append(sides.mine.dump((number, sides.mine.changes(number))))
        found = []
        for data in steps:
            ours.send_bytes(data)
            assert ours.poll(10)
            found.append(ours.recv())
        assert found == [
            {number: ("early", None), sides.mine.number(late): ("late", "early")},
            {number: ("renamed", None), sides.mine.number(late): ("late", "renamed")},
        ]
    finally:
        ours.send_bytes(b"")
        process.join(10)
        process.kill()
        process.join(10)
        ours.close()


def test_read_only_mappings_arrive() -> None:
    """Roles have them (``Role._hash``) once they have been compared; what is shared in them stays shared."""
    sides = Sides()
    parent = Node(name="parent")
    child = Node(name="child", kept=MappingProxyType({"parent": parent, "from": MappingProxyType({"tasks": "main"})}))
    arrived = sides.ship([parent, child])
    assert type(arrived[1].kept) is MappingProxyType
    assert arrived[1].kept["parent"] is arrived[0]
    assert dict(arrived[1].kept["from"]) == {"tasks": "main"}


def test_text_that_is_pickled_in_another_way() -> None:
    sides = Sides()
    node = Node(texts=[Word("a"), "b", Word("a")])
    assert sides.ship([node, Word("c")])[1] == "C"
    assert sides.ship(node).texts == ["A", "b", "A"]
