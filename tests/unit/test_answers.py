"""What a worker reads of a target's pickles: those of interpreters, and nothing that costs more memory than it has bytes."""

from __future__ import annotations

import contextlib
import pickle
import struct
from collections import OrderedDict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

core = pytest.importorskip("mitogen.core")

from mitopatch.targets import answers  # noqa: E402

#: What interpreters answer: plain values, and what Mitogen has classes for.
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4) | st.tuples(inner, inner),
    max_leaves=20,
)


@given(PLAIN)
@settings(deadline=None)
def test_what_interpreters_write_is_read(value: Any) -> None:
    """And names nobody."""
    assert answers.numbers_in(core.Message.pickled(value).data) == set()


@pytest.mark.parametrize(
    ("value", "numbers"),
    [
        (core.CallError("no"), set()),
        (core.Kwargs({"path": "/x"}), set()),
        (core.Blob(b"\0\xff"), set()),
        (core.Secret("x"), set()),
        (core.Context(None, 7, "name"), {7}),
        (("service", "method", core.Kwargs({"sender": core.Sender(core.Context(None, 9), 1001)})), {9}),
        ([core.Context(None, 7), core.Context(None, 8)], {7, 8}),
    ],
)
def test_interpreters_are_named(value: Any, numbers: set[int]) -> None:
    assert answers.numbers_in(core.Message.pickled(value).data) == numbers


def test_python_2_is_read() -> None:
    """It writes text and bytes in other ways."""
    rows = b"\x80\x02}q\x01(U\x06stdoutq\x02X\x02\x00\x00\x00okU\x02rcq\x03K\x00U\x03bigT\x02\x00\x00\x00xxu."
    assert answers.numbers_in(rows) == set()


BAD = {
    "nothing": b"",
    "no end": b"\x80\x02N",
    "more than one": b"\x80\x02N.\x80\x02N.",
    "a memo of gigabytes": b"\x80\x02Nr\xff\xff\xff\x7f.",
    "a memo that grows faster than the pickle": b"\x80\x02Nr\x00\x10\x00\x00.",
    "many small things": b"\x80\x02" + b"]" * 50_000 + b"0" * 49_999 + b".",
    "bytes of gigabytes": b"\x80\x02c__builtin__\nbytes\nJ\xff\xff\xff\x7f\x85R.",
    "bytes of gigabytes, in two steps": b"\x80\x02c__builtin__\nbytes\nq\x01)R0h\x01J\xff\xff\xff\x7f\x85R.",
    "a blob of gigabytes": b"\x80\x02cmitogen.core\nBlob\nJ\xff\xff\xff\x7f\x85R.",
    "a function": b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.",
    "a class of builtins": b"\x80\x02c__builtin__\nlist\n)R.",
    "a method of a class": b"\x80\x02cmitogen.core\nBlob.fromhex\nX\x02\x00\x00\x0000\x85R.",
    "an object's state": b"\x80\x02cmitogen.core\nKwargs\n)\x81}b.",
    "a codec of its own": b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00xX\x03\x00\x00\x00zip\x86R.",
    "a number that is none": b"\x80\x02cmitogen.core\n_unpickle_context\nX\x01\x00\x00\x00xN\x86R.",
    "a number below all": b"\x80\x02cmitogen.core\n_unpickle_context\nJ\xff\xff\xff\xffN\x86R.",
    "a length beyond the end": b"\x80\x02X\xff\xff\xff\x7fxx.",
    "a protocol with frames": pickle.dumps({"a": 1}, 4),
    "an ordered dictionary": pickle.dumps(OrderedDict(a=1), 2),
    "text that is none": b"\x80\x02X\x01\x00\x00\x00\xff.",
    "an unhashable key": b"\x80\x02}]Ns.",
    "a stack that is empty": b"\x80\x02\x86.",
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_what_no_interpreter_writes_is_refused(data: bytes) -> None:
    assert answers.numbers_in(data) is None


def test_a_loop_is_no_harm() -> None:
    """A list in itself is a pickle as any other; who looks at it for ever is nobody."""
    assert answers.numbers_in(b"\x80\x02]q\x00h\x00a.") == set()


@given(st.binary(max_size=300) | st.lists(st.sampled_from([bytes([code]) for code in range(256)]), max_size=60).map(b"".join))
@settings(deadline=None, max_examples=500)
def test_noise_is_refused_or_read(data: bytes) -> None:
    """In no case does anything but an answer come of it."""
    for text in (data, b"\x80\x02" + data, b"\x80\x02" + data + b"."):
        numbers = answers.numbers_in(text)
        assert numbers is None or all(0 <= number < 2**32 for number in numbers)


@given(PLAIN, st.data())
@settings(deadline=None, max_examples=300)
def test_an_answer_with_one_byte_changed(value: Any, data: st.DataObject) -> None:
    """What passes can be loaded by Mitogen too, for itself, without an error of another kind than its own."""
    text = bytearray(core.Message.pickled(value).data)
    text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    if answers.numbers_in(bytes(text)) is not None:
        message = core.Message(data=bytes(text), enc=core.Message.ENC_PKL, src_id=1)
        with contextlib.suppress(core.StreamError):
            message.unpickle(throw=False)


def test_the_most_is_enough() -> None:
    """A module's answer has a few dozen opcodes, however long it is."""
    answer = {"rc": 0, "stdout": "x" * 5_000_000, "stderr": "", "": struct.pack("<L", 1)}
    assert answers.numbers_in(core.Message.pickled(answer).data) == set()
    assert answers.numbers_in(core.Message.pickled(list(range(answers.MOST_OPCODES - 100))).data) == set()
    assert answers.numbers_in(core.Message.pickled(list(range(answers.MOST_OPCODES))).data) is None
