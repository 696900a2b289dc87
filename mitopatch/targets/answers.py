"""[worker] Checks the pickles that a target sends, before anything of this process reads them.

Mitogen unpickles with a list of allowed names, so a pickle cannot call what it likes. It can still ask for gigabytes with a few bytes:
by the index of a memo, by ``bytes`` of a large number, by a million empty lists. And it can name an interpreter of another target.
"""

from __future__ import annotations

import io
import pickle  # nosec B403 # loads with a list of harmless names, after its opcodes have been checked
from typing import Any, Optional

#: Opcodes that a target's answer may have: more than any real one (a result has about sixty), and too few for a memory to be filled.
MOST_OPCODES = 20_000

_REFUSED, _ONE_BYTE_LENGTH, _FOUR_BYTE_LENGTH, _LINES, _MEMO, _END = -1, -2, -3, -4, -5, -6


def _argument_sizes() -> list[int]:
    # What Python 2.7 and 3 write in protocol 2, which is Mitogen's. The number of bytes that follow, or how it is found.
    sizes = [_REFUSED] * 256
    for opcodes, size in (
        (pickle.MARK + pickle.EMPTY_TUPLE + pickle.TUPLE + pickle.TUPLE1 + pickle.TUPLE2 + pickle.TUPLE3, 0),
        (pickle.EMPTY_LIST + pickle.APPEND + pickle.APPENDS + pickle.EMPTY_DICT + pickle.SETITEM + pickle.SETITEMS, 0),
        (pickle.NONE + pickle.NEWTRUE + pickle.NEWFALSE + pickle.REDUCE, 0),
        (pickle.PROTO + pickle.BININT1 + pickle.BINGET + pickle.BINPUT, 1),
        (pickle.BININT2, 2),
        (pickle.BININT + pickle.LONG_BINGET, 4),
        (pickle.BINFLOAT, 8),
        (pickle.SHORT_BINSTRING + pickle.LONG1, _ONE_BYTE_LENGTH),
        (pickle.BINSTRING + pickle.BINUNICODE, _FOUR_BYTE_LENGTH),
        (pickle.GLOBAL, _LINES),
        (pickle.LONG_BINPUT, _MEMO),
        (pickle.STOP, _END),
    ):
        for opcode in opcodes:
            sizes[opcode] = size
    return sizes


_SIZES = _argument_sizes()


def _opcodes_are_harmless(data: bytes) -> bool:
    """Return whether these are the opcodes of one whole pickle that needs no more memory than its own size suggests."""
    place = 0
    for count in range(MOST_OPCODES):
        size = _SIZES[data[place]]
        place += 1
        if size >= 0:
            place += size
        elif size == _FOUR_BYTE_LENGTH:
            place += 4 + int.from_bytes(data[place : place + 4], "little")
        elif size == _ONE_BYTE_LENGTH:
            place += 1 + data[place]
        elif size == _MEMO:
            # The C unpickler makes room for every index up to this one.
            if int.from_bytes(data[place : place + 4], "little") > count:
                return False
            place += 4
        elif size == _LINES:
            place = data.index(b"\n", data.index(b"\n", place) + 1) + 1
        else:
            return size == _END and place == len(data)
    return False


class _Reader(pickle.Unpickler):
    """Loads a pickle with functions that do nothing but look at their arguments."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data), encoding="bytes")
        self.numbers: set[int] = set()

    def find_class(self, module: str, name: str) -> Any:
        if module == "mitogen.core":
            if name in {"_unpickle_context", "_unpickle_sender"}:
                return self._number
            if name in {"_unpickle_call_error", "CallError", "Secret"}:
                return _text
            if name == "Blob":
                return _bytes
            if name == "Kwargs":
                return _names
        elif (module, name) == ("_codecs", "encode"):
            return _encoded
        elif (module, name) == ("__builtin__", "bytes"):
            return _empty
        raise pickle.UnpicklingError(f"{module}.{name}")

    def _number(self, number: Any, second: Any) -> None:
        if type(number) is not int or not 0 <= number < 2**32 or not (second is None or type(second) in (str, int)):
            raise pickle.UnpicklingError("not the number of an interpreter")
        self.numbers.add(number)


def _require(right: bool) -> None:
    if not right:
        raise pickle.UnpicklingError("wrong arguments")


def _text(text: Any) -> str:
    _require(type(text) is str)
    return str(text)


def _bytes(data: Any) -> None:
    # A string of Python 2, or None: what `_encoded` and `_empty` make of bytes.
    _require(data is None or type(data) is bytes)


def _names(names: Any) -> dict[Any, Any]:
    _require(type(names) is dict and all(type(name) in {str, bytes} for name in names))
    return dict(names)


def _encoded(text: Any, encoding: Any) -> None:
    _require(type(text) is str and encoding == "latin1")


def _empty() -> None:
    return None


def numbers_in(data: bytes) -> Optional[set[int]]:
    """Return the numbers of the interpreters that a target's pickle names; None if no interpreter of ours would write it."""
    try:
        if not _opcodes_are_harmless(data):
            return None
        reader = _Reader(data)
        reader.load()
    except Exception:  # whatever a wrong pickle raises: EOFError, IndexError, UnicodeDecodeError, ...
        return None
    return reader.numbers
