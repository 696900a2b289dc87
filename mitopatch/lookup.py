"""[cli, maintenance] Finding ``module:Class.method`` in a release that is not imported, as Python would: names that a module
imports or assigns, and what a class inherits.

The static counterpart of ``declare.Site``. Where a name is bound twice in one scope, the last binding counts; of ``if`` and
``else`` the first branch, of ``try`` the tried one. Classes outside of the release cannot be looked into. The release is
ansible-core's in an archive (`archive.Archive`), or Mitogen's (`mitogen_release.Installed`).
"""

from __future__ import annotations

import ast
import contextlib
import tokenize
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Optional, Protocol, Union

from mitopatch import fingerprint
from mitopatch.errors import NotApplied, Reason

_Function = (ast.FunctionDef, ast.AsyncFunctionDef)
_Node = Union[ast.stmt, ast.alias]


class Sources(Protocol):
    """[any process] The modules of one release, which are only read."""

    @property
    def release(self) -> str:
        """Return the number of the release, for texts."""

    def module(self, name: str) -> Optional[fingerprint.SourceFile]:
        """Return a module's file by its dotted name, None if the release does not have it."""

    def package(self, name: str) -> str:
        """Return what a relative import in this module starts from: a package itself, else the package it is in."""


class Found(NamedTuple):
    """[cli, maintenance] A symbol: its body's fingerprint (an import from elsewhere: the statement), text and parameters."""

    mark: str
    text: Optional[str]
    parameters: Optional[tuple[str, ...]]


class _Place(NamedTuple):
    """What a name stands for: a definition or assignment in a module of the release, one of its modules, or something outside."""

    module: str
    name: str = ""
    node: Optional[ast.stmt] = None
    outside: str = ""


class Lookup:
    """[cli, maintenance] The names of one release."""

    def __init__(self, archive: Sources) -> None:
        self.archive = archive
        self._scopes: dict[tuple[str, str], dict[str, _Place]] = {}
        self._following: list[_Place] = []

    def find(self, module: str, name: str) -> Found:
        """[cli, maintenance] The symbol. Raises LookupError that names the part which is not there, NotApplied (MP152) if the source
        is not for this Python."""
        with self._readable():
            return self._found(self._place(module, name))

    def defined(self, module: str, name: str) -> str:
        """[controller, maintenance] Return ``module:Symbol`` of the place that defines a symbol, ``outside:...`` if that is no module of
        the release. Raises as `find`."""
        with self._readable():
            place = self._place(module, name)
            return f"outside:{place.outside}" if place.outside else f"{place.module}:{place.name}"

    @contextlib.contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except (SyntaxError, ValueError, RecursionError, tokenize.TokenError) as error:  # ValueError: encodings; null bytes before 3.12
            problem = f"{type(error).__name__}: {error}"
            raise NotApplied(Reason("MP152", found=self.archive.release, problem=problem)) from error

    def _place(self, module: str, name: str) -> _Place:
        place = self._module(module)
        for part in name.split("."):
            place = self._member(place, part)
        return place

    def _module(self, name: str) -> _Place:
        if self.archive.module(name) is None:
            raise LookupError(f"no module {name}")
        return _Place(name)

    def _found(self, place: _Place) -> Found:
        file = self.archive.module(place.module)
        if place.outside or file is None or place.node is None:
            return Found(place.outside or f"module {place.module}", None, None)
        text = file.of_node(place.node)
        parameters = None
        if isinstance(place.node, _Function):
            parameters = fingerprint.parameter_names(place.node)
        elif isinstance(place.node, ast.ClassDef):
            try:
                parameters = self._found(self._member(place, "__init__")).parameters
            except LookupError:
                parameters = None
        return Found(fingerprint.of_source(text), text, parameters)

    def _member(self, place: _Place, name: str) -> _Place:
        if place.outside:
            return _Place("", outside=f"{place.outside}.{name}")
        if place.node is None:
            found = self._scope(place).get(name)
            if found is not None:
                return self._followed(found)
            return self._module(f"{place.module}.{name}")
        if isinstance(place.node, ast.ClassDef):
            outside = []
            for base in self._ancestors(place):
                if base.outside:
                    outside.append(base.outside)
                    continue
                found = self._scope(base).get(name)
                if found is not None:
                    return self._followed(found)
            beyond = f", and {', '.join(outside)} is not part of this release" if outside else ""
            raise LookupError(f"no {name} in {place.module}:{place.name} and its base classes{beyond}")
        raise LookupError(f"{place.module}:{place.name} has no {name}")

    def _ancestors(self, place: _Place) -> list[_Place]:
        """The class and its base classes in the order of look-up: a class that is reached twice comes after all that inherit from it."""
        line = [place]
        if isinstance(place.node, ast.ClassDef):
            for base in place.node.bases:
                line += self._ancestors(self._evaluated(place.module, base))
        return list(dict.fromkeys(reversed(line)))[::-1]

    def _evaluated(self, module: str, expression: ast.expr, inside: str = "") -> _Place:
        """What a dotted name in a module, or inside the body of one of its classes, stands for; anything else counts as outside."""
        if isinstance(expression, ast.Subscript):  # Generic[T]
            return self._evaluated(module, expression.value)
        try:
            if isinstance(expression, ast.Name):
                own = self._scopes.get((module, inside), {}).get(expression.id) if inside else None
                return self._followed(own) if own is not None else self._member(_Place(module), expression.id)
            if isinstance(expression, ast.Attribute):
                return self._member(self._evaluated(module, expression.value), expression.attr)
        except LookupError:
            pass
        return _Place("", outside=ast.unparse(expression))

    def _followed(self, place: _Place) -> _Place:
        """``Name = other.name`` is the other thing; a value that is not such a name stays the assignment."""
        if place in self._following:  # name = name
            return place
        self._following.append(place)
        try:
            if isinstance(place.node, (ast.Assign, ast.AnnAssign)) and isinstance(place.node.value, (ast.Name, ast.Attribute)):
                other = self._evaluated(place.module, place.node.value, place.name.rpartition(".")[0])
                return place if other.outside else other
            if isinstance(place.node, (ast.Import, ast.ImportFrom)):
                return self._imported(place.module, place.node, place.name.rpartition(".")[2])
            return place
        finally:
            self._following.pop()

    def _imported(self, module: str, node: Union[ast.Import, ast.ImportFrom], name: str) -> _Place:
        alias = next(alias for alias in node.names if _bound(node, alias) == name)
        if isinstance(node, ast.Import):
            target = alias.name if alias.asname else name
            return _Place(target) if self.archive.module(target) else _Place("", outside=f"import {target}")
        start = self.archive.package(module).split(".") if node.level else []
        origin = ".".join([*start[: len(start) - (node.level - 1 if node.level else 0)], *([node.module] if node.module else [])])
        if self.archive.module(origin) is None:
            return _Place("", outside=f"from {origin} import {alias.name}")
        if origin == module:  # a package that imports a module of its own
            return self._module(f"{origin}.{alias.name}")
        return self._member(_Place(origin), alias.name)

    def _scope(self, place: _Place) -> dict[str, _Place]:
        """The names bound in a module or class body."""
        key = (place.module, place.name)
        if key not in self._scopes:
            file = self.archive.module(place.module)
            body = place.node.body if isinstance(place.node, ast.ClassDef) else file.tree.body if file else []
            prefix = f"{place.name}." if place.name else ""
            self._scopes[key] = {name: _Place(place.module, prefix + name, node) for name, node in _bindings(body)}
        return self._scopes[key]


def _bound(node: Union[ast.Import, ast.ImportFrom], alias: ast.alias) -> str:
    return alias.asname or (alias.name.partition(".")[0] if isinstance(node, ast.Import) else alias.name)


def _bindings(body: Iterable[ast.stmt]) -> Iterator[tuple[str, ast.stmt]]:
    """Names and the statements that bind them, in an order in which the last one counts."""
    for node in body:
        if isinstance(node, (*_Function, ast.ClassDef)):
            yield node.name, node
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from ((_bound(node, alias), node) for alias in node.names)
        elif isinstance(node, ast.Assign):
            yield from ((target.id, node) for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            yield node.target.id, node
        else:
            # The less likely branches first, so that the likely one counts.
            for part in ("orelse", "handlers", "body", "finalbody"):
                for child in getattr(node, part, ()):
                    yield from _bindings(child.body if isinstance(child, ast.ExceptHandler) else [child])
