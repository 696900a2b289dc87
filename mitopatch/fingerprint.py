"""[controller] Recognising a function or class of Ansible by its source text.

A fingerprint is sha256 over the dedented text without comments and blank lines. Text, because syntax trees and byte code
differ between the Pythons one release of Ansible runs on; without comments, because backports often move only those.
It covers one body, not what the body calls.

Verifying must not slow a start down, so there are two ways: the digest of the whole module file is known (one read, one
hash), or the body is cut out of the file and compared by itself (a parse of that file, some 10 ms).
"""

from __future__ import annotations

import ast
import hashlib
import io
import json
import sys
import tokenize
from collections.abc import Iterable, Mapping
from types import FunctionType, ModuleType
from typing import Any, Optional, Union

LENGTH = 16
_Definition = Union[ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef]


def numbered(text: str) -> list[tuple[int, str]]:
    """[any process] The lines that are hashed, each with the number of the line of ``text`` it comes from, counted from 0.

    Dedented by the first line's indentation, no comments, no blank lines. Raises SyntaxError or tokenize.TokenError if
    the text is not Python.
    """
    lines = text.expandtabs().splitlines()
    first = next((number for number, line in enumerate(lines) if line.strip()), len(lines))
    lines = lines[first:]
    indent = len(lines[0]) - len(lines[0].lstrip()) if lines else 0
    # A line of a multi-line string may stand further left than its function: take away only what is blank.
    lines = [line[min(indent, len(line) - len(line.lstrip())) :] for line in lines]
    for token in tokenize.generate_tokens(io.StringIO("\n".join(lines) + "\n").readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    return [(number, line.rstrip()) for number, line in enumerate(lines, first) if line.strip()]


def normalise(text: str) -> str:
    """[any process] The text that is hashed. Raises as `numbered`."""
    return "\n".join(line for _number, line in numbered(text))


def of_lines(normal: Iterable[str]) -> str:
    """[any process] The fingerprint of lines that are normalised already."""
    return hashlib.sha256("\n".join(normal).encode()).hexdigest()[:LENGTH]


def of_source(text: str) -> str:
    """[any process] The fingerprint of one definition's text. Raises as `normalise`."""
    return of_lines(line for _number, line in numbered(text))


def of_file(data: bytes) -> str:
    """[any process] The digest of a whole module file, line ends normalised."""
    # A search for one byte takes a fiftieth of the time that a search for two takes, which is longer than the digest.
    return hashlib.sha256(data.replace(b"\r\n", b"\n") if b"\r" in data else data).hexdigest()[:LENGTH]


def _definitions(tree: ast.Module) -> Iterable[tuple[str, _Definition]]:
    """All functions and classes with their dotted name; definitions under if/try/with count as in the enclosing scope."""

    def walk(node: ast.AST, prefix: str) -> Iterable[tuple[str, _Definition]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                yield prefix + child.name, child
                if isinstance(child, ast.ClassDef):
                    yield from walk(child, f"{prefix}{child.name}.")
            elif isinstance(child, (ast.stmt, ast.excepthandler)):
                yield from walk(child, prefix)

    return walk(tree, "")


def _first_line(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


class SourceFile:
    """[controller] One module file, parsed at most once, from which bodies and signatures are taken."""

    def __init__(self, data: bytes, name: str = "<unknown>") -> None:
        self.digest = of_file(data)
        self._data = data
        self._name = name
        self._tree: Optional[ast.Module] = None
        self._found: Optional[dict[str, list[_Definition]]] = None
        self._lines: Optional[list[str]] = None

    @property
    def lines(self) -> list[str]:
        """[controller] The lines of the file, without their ends. Raises UnicodeError."""
        if self._lines is None:
            self._lines = self._data.decode("utf-8").splitlines()
        return self._lines

    @property
    def tree(self) -> ast.Module:
        """[controller] The syntax tree. Raises SyntaxError, UnicodeError."""
        if self._tree is None:
            self._tree = ast.parse(self._data.decode("utf-8"), self._name)
        return self._tree

    def _named(self, name: str) -> list[_Definition]:
        if self._found is None:
            self._found = {}
            for found, node in _definitions(self.tree):
                self._found.setdefault(found, []).append(node)
        return self._found.get(name, [])

    def definition(self, name: str, line: Optional[int] = None) -> Optional[tuple[str, int]]:
        """[controller] The source text of a definition and its first line: the one that starts at ``line`` if given, else the last."""
        nodes = self._named(name)
        if line is not None:
            nodes = [node for node in nodes if _first_line(node) == line]
        if not nodes:
            return None
        return self.of_node(nodes[-1]), _first_line(nodes[-1])

    def text(self, name: str, line: Optional[int] = None) -> Optional[str]:
        """[controller] The source text of a definition, the one that starts at ``line`` if given, else the last; None if there is none."""
        found = self.definition(name, line)
        return None if found is None else found[0]

    def of_node(self, node: ast.stmt) -> str:
        """[controller] The source text of a statement of `tree`, decorators included."""
        return "\n".join(self.lines[_first_line(node) - 1 : node.end_lineno]) + "\n"


def parameter_names(node: Union[ast.FunctionDef, ast.AsyncFunctionDef]) -> tuple[str, ...]:
    """[cli, maintenance] The parameter names of a function's definition, in the order of `parameters`."""
    spec = node.args
    names = [argument.arg for argument in [*spec.posonlyargs, *spec.args]]
    names += [spec.vararg.arg] if spec.vararg else []
    names += [argument.arg for argument in spec.kwonlyargs]
    names += [spec.kwarg.arg] if spec.kwarg else []
    return tuple(names)


_FILES: dict[str, SourceFile] = {}


def source_file(path: str) -> SourceFile:
    """[controller] The file at ``path``, read once per process. Raises OSError."""
    if path not in _FILES:
        with open(path, "rb") as file:
            _FILES[path] = SourceFile(file.read())
    return _FILES[path]


def forget() -> None:
    """[controller] Drop the files read so far: verification happens once, their text need not stay in memory."""
    _FILES.clear()


def plain(value: Any) -> Any:
    """[controller] What is behind staticmethod, classmethod and functools.wraps: the function whose source counts."""
    if isinstance(value, (staticmethod, classmethod)):
        value = value.__func__
    while not isinstance(value, type) and getattr(value, "__wrapped__", None) is not None:
        value = value.__wrapped__
    return value


def parameters(value: Any) -> Optional[tuple[str, ...]]:
    """[controller] Parameter names of a function, of ``__init__`` for a class; None if it is not Python code."""
    if isinstance(value, type):
        for base in value.__mro__:
            if "__init__" in vars(base):
                return parameters(vars(base)["__init__"])
        return None
    function = plain(value)
    if not isinstance(function, FunctionType):
        return None
    code = function.__code__
    names = list(code.co_varnames[: code.co_argcount])
    keyword_only = list(code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount])
    rest = list(code.co_varnames[code.co_argcount + code.co_kwonlyargcount :])
    names += [rest.pop(0)] if code.co_flags & 0x04 else []
    names += keyword_only
    names += [rest.pop(0)] if code.co_flags & 0x08 else []
    return tuple(names)


def _origin(value: Any) -> Optional[str]:
    """The file all code of a function or class comes from; None if it is not Python code, or comes from several files."""
    if isinstance(value, FunctionType):
        return value.__code__.co_filename
    if not isinstance(value, type):
        return None
    module = sys.modules.get(value.__module__)
    path = getattr(module, "__file__", None)
    own = [plain(item) for item in vars(value).values()]
    written_here = [item for item in own if isinstance(item, FunctionType) and item.__qualname__ == f"{value.__qualname__}.{item.__name__}"]
    if any(item.__code__.co_filename != path for item in written_here):
        return None
    return path


def of_object(value: Any) -> Optional[str]:
    """[controller] The fingerprint of a function or class in memory; None if its source cannot be had (C code, patched class, no file)."""
    value = plain(value)
    path = _origin(value)
    if path is None:
        return None
    line = value.__code__.co_firstlineno if isinstance(value, FunctionType) else None
    try:
        text = source_file(path).text(value.__qualname__, line)
        return None if text is None else of_source(text)
    except (OSError, SyntaxError, UnicodeError, tokenize.TokenError):
        return None


class Known:
    """[controller] The fingerprints one series of Ansible is known by: bodies by ``module:Symbol``, whole files by module."""

    def __init__(self, symbols: Mapping[str, Iterable[str]], files: Optional[Mapping[str, Iterable[str]]] = None) -> None:
        self.symbols = {key: frozenset(values) for key, values in symbols.items()}
        self.files = {key: frozenset(values) for key, values in (files or {}).items()}

    @classmethod
    def load(cls, path: str) -> Known:
        """[controller] Read the table of a series (``maintenance/drift.py`` writes it). Raises OSError; ValueError if it is damaged."""
        with open(path, encoding="utf-8") as file:
            table = json.load(file)
        try:
            # A table without these is damaged; each maps a name to {value: releases}, and an empty one is not.
            symbols, files = ({key: tuple(of.keys()) for key, of in table[kind].items()} for kind in ("symbols", "files"))
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"unexpected structure: {error!r}") from error
        return cls(symbols, files)

    def check(self, key: str, module: ModuleType, value: Any) -> Optional[str]:
        """[controller] None if the body in memory is known, else the fingerprint found ('none' if there is no source)."""
        value = plain(value)
        path = _origin(value)
        wanted = self.symbols.get(key, frozenset())
        same = getattr(value, "__qualname__", None) == key.partition(":")[2]
        if path is not None and wanted and same and path == getattr(module, "__file__", None):
            try:
                if source_file(path).digest in self.files.get(module.__name__, frozenset()):
                    return None
            except OSError:
                return "none"
        found = of_object(value) or "none"
        return None if found in wanted else found
