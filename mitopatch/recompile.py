"""[controller] A patched function, compiled to take the place of the original: the same in all but its code.

Only the code object is new. Globals, defaults, closure (``__class__`` for ``super()``), annotations and attributes are the
original's own objects, so neither defaults nor decorators run a second time.

The text is compiled inside empty classes of the original's names, so that ``__private`` names are mangled and ``super()``
finds its cell, and behind blank lines, so that the lines before the first change keep the numbers they have in upstream's
file. `linecache` holds it under a name of its own: a traceback shows the lines that really ran, ours marked as such.
"""

from __future__ import annotations
import __future__

import functools
import linecache
import os
from collections.abc import Sequence
from types import CodeType, FunctionType
from typing import Any, Optional

from mitopatch.body import Body
from mitopatch.diffs import Line, Patch

_FUTURES = sum(getattr(__future__, name).compiler_flag for name in __future__.all_feature_names if name != "nested_scopes")


def suitable(value: Any) -> None:
    """[controller] Raises ValueError if no patched function can stand for what a class or module holds under a name."""
    function = value.__func__ if isinstance(value, (staticmethod, classmethod)) else value
    if not isinstance(function, FunctionType):
        raise ValueError(f"it is a {type(function).__name__} and not a Python function")
    if hasattr(function, "__wrapped__"):
        raise ValueError("it is decorated")
    if "<locals>" in function.__qualname__ or set(function.__code__.co_freevars) - {"__class__"}:
        raise ValueError("it is defined inside another function")


def patched(function: FunctionType, body: Optional[Body], patch: Patch) -> FunctionType:
    """[controller] The function as the patch has it. Raises NotApplied if it is not for this body, ValueError saying why else not."""
    if body is None:
        raise ValueError("its source text cannot be read")
    lines = patch.apply(body)
    for line in lines:
        text = line.text.strip()
        if text.startswith(("def ", "async ")):
            break
        if text not in ("@staticmethod", "@classmethod"):
            raise ValueError(f"it is decorated: {text}")
    code = _code(function, body, patch.name, lines)
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or ()))
    if not cells.keys() >= set(code.co_freevars):
        raise ValueError(f"the patched lines need {', '.join(code.co_freevars)} from an enclosing scope")
    made = FunctionType(
        code, function.__globals__, function.__name__, function.__defaults__, tuple(cells[name] for name in code.co_freevars)
    )
    made.__kwdefaults__ = function.__kwdefaults__
    functools.update_wrapper(made, function)
    # It calls nothing: whoever looks behind it must find the text that runs.
    del made.__wrapped__  # type: ignore[attr-defined]
    return made


def _code(function: FunctionType, body: Body, name: str, lines: Sequence[Line]) -> CodeType:
    classes = function.__qualname__.split(".")[:-1]
    head = [f"{' ' * depth}class {outer}:" for depth, outer in enumerate(classes)]
    text = [*[""] * (body.first - 1 - len(head)), *head]
    text += [f"{line.text}  # mitopatch: {name}" if line.added else line.text for line in lines]
    path = f"<{os.path.basename(function.__code__.co_filename)} of {function.__module__}, mitopatch: {name}>"
    whole = "\n".join(text) + "\n"
    try:
        # Upstream's flags for __future__, none of this module's.
        made: CodeType = compile(whole, path, "exec", flags=function.__code__.co_flags & _FUTURES, dont_inherit=True)
    except SyntaxError as error:
        raise ValueError(f"the patched text is not Python: {error}") from error
    for outer in [*classes, function.__code__.co_name]:
        made = next(item for item in made.co_consts if isinstance(item, CodeType) and item.co_name == outer)
    if _signature(made) != _signature(function.__code__):
        raise ValueError("the patch changes the parameters")
    # No modification time: linecache.checkcache keeps such an entry, as that of a file no longer there.
    linecache.cache[path] = (len(whole), None, [f"{line}\n" for line in text], path)
    return made


def _signature(code: CodeType) -> tuple[Any, ...]:
    total = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & 0x04) + bool(code.co_flags & 0x08)
    return code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & 0x0C, code.co_varnames[:total]
