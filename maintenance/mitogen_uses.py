"""[maintenance] What of Mitogen a file of mitopatch/targets overrides, assigns and names, read from its source.

`mitopatch.targets.relied_on` has to list all of it; tests/meta says where it does not. Nothing is imported: names are followed
through imports, ``name = mitogen.core.Router`` and ``a, b = klass.x, klass.y``. What is reached by an object alone
(``self.router.route``) cannot be seen, and is put into the list by hand.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import Optional

from mitopatch.lookup import Lookup
from mitopatch.mitogen_release import PACKAGES

_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
#: By name in some scope: the dotted name of something of Mitogen's.
Names = dict[str, str]


class Uses:
    """[maintenance] The keys (``module:Symbol``) of what one file uses, where Mitogen defines it."""

    def __init__(self, source: str, lookup: Lookup) -> None:
        """``lookup``: of the release of Mitogen that has the names."""
        self._lookup = lookup
        #: Replaced or newly set by an assignment or setattr.
        self.assigned: set[str] = set()
        #: What a class of ours redefines of a class of Mitogen's.
        self.overridden: set[str] = set()
        #: Functions and classes that are named.
        self.named: set[str] = set()
        #: Calls of setattr whose name is no constant, by line: nobody can tell what they set.
        self.unclear: set[int] = set()
        self._read(ast.parse(source).body, {})

    @property
    def all(self) -> set[str]:
        """[maintenance] Return all keys."""
        return self.assigned | self.overridden | self.named

    def _read(self, body: Iterable[ast.stmt], outer: Names) -> None:
        """Read one scope: first what its names stand for, then what is done with them."""
        names = dict(outer)
        nodes = list(_of_scope(body))
        for node in nodes:
            names.update(_imported(node))
        for node in nodes:
            if isinstance(node, ast.Assign) and len(node.targets) == 1:
                for target, value in _pairs(node.targets[0], node.value):
                    dotted = _dotted(value, names)
                    if isinstance(target, ast.Name) and dotted:
                        names[target.id] = dotted
        for node in nodes:
            self._one(node, names)
        for node in nodes:
            if isinstance(node, (*_FUNCTION, ast.ClassDef)):
                self._read(node.body, names)
            elif isinstance(node, ast.Lambda):
                self._read([ast.Expr(node.body)], names)

    def _one(self, node: ast.AST, names: Names) -> None:
        if isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in (part for whole in targets for part in _parts(whole)):
                if isinstance(target, ast.Attribute):
                    self._assign(_dotted(target, names))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "setattr":
            dotted = _dotted(node.args[0], names)
            if dotted and isinstance(node.args[1], ast.Constant):
                self._assign(f"{dotted}.{node.args[1].value!s}")
            elif dotted:
                self.unclear.add(node.lineno)
        elif isinstance(node, ast.For) and isinstance(node.target, ast.Name):
            self._loop(node, names)
        elif isinstance(node, ast.ClassDef):
            for base in node.bases:
                self._override(_dotted(base, names), node)
        elif isinstance(node, (ast.Attribute, ast.Name)) and isinstance(node.ctx, ast.Load):
            self._name(_dotted(node, names))

    def _loop(self, node: ast.For, names: Names) -> None:
        """``for name in ("a", "b"): setattr(mitogen.x, name, ...)`` sets these two."""
        words = [item.value for item in getattr(node.iter, "elts", ()) if isinstance(item, ast.Constant) and isinstance(item.value, str)]
        for call in ast.walk(node):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "setattr" and words:
                dotted = _dotted(call.args[0], names)
                if dotted and isinstance(call.args[1], ast.Name) and call.args[1].id == getattr(node.target, "id", ""):
                    for word in words:
                        self._assign(f"{dotted}.{word}")
                    self.unclear.discard(call.lineno)
                    call.args[1] = ast.Constant(words[0])

    def _split(self, dotted: Optional[str]) -> tuple[str, str]:
        """The module and the rest of a dotted name."""
        parts = (dotted or "").split(".")
        for end in range(len(parts), 0, -1):
            if self._lookup.archive.module(".".join(parts[:end])) is not None:
                return ".".join(parts[:end]), ".".join(parts[end:])
        return "", ""

    def _key(self, module: str, name: str) -> Optional[str]:
        try:
            key = self._lookup.defined(module, name)
        except LookupError:
            return None
        return key if key.partition(".")[0] in PACKAGES and not key.endswith(":") else None

    def _assign(self, dotted: Optional[str]) -> None:
        module, name = self._split(dotted)
        if name:
            # What Mitogen does not have is set beside it: a name of ours, or one of Python's that hides a builtin.
            self.assigned.add(self._key(module, name) or f"{module}:{name}")

    def _override(self, dotted: Optional[str], node: ast.ClassDef) -> None:
        module, name = self._split(dotted)
        if not name:
            return
        for member in node.body:
            own = [member.name] if isinstance(member, _FUNCTION) else []
            if isinstance(member, (ast.Assign, ast.AnnAssign)):
                targets = member.targets if isinstance(member, ast.Assign) else [member.target]
                own = [target.id for target in targets if isinstance(target, ast.Name)]
            for word in own:
                key = self._key(module, f"{name}.{word}")
                if key:
                    self.overridden.add(key)

    def _name(self, dotted: Optional[str]) -> None:
        module, name = self._split(dotted)
        while name:
            key = self._key(module, name)
            if key is not None:
                text = self._lookup.find(module, name).text or ""
                if text.lstrip().startswith(("def ", "class ", "@", "async ")):
                    self.named.add(key)
                return
            name = name.rpartition(".")[0]


def _of_scope(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """All nodes that belong to a scope: functions and classes inside it, but not what is inside those."""
    for node in body:
        yield node
        if isinstance(node, (*_FUNCTION, ast.ClassDef)):
            inner: list[ast.AST] = [*node.decorator_list, *(node.bases if isinstance(node, ast.ClassDef) else [node.args])]
        elif isinstance(node, ast.Lambda):
            inner = [node.args]
        elif isinstance(node, ast.Attribute) and _root(node):
            continue  # the longest name counts
        else:
            inner = list(ast.iter_child_nodes(node))
        yield from _of_scope(inner)


def _root(node: ast.expr) -> Optional[ast.Name]:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node if isinstance(node, ast.Name) else None


def _imported(node: ast.AST) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            if alias.name.partition(".")[0] in PACKAGES:
                yield (alias.asname, alias.name) if alias.asname else (alias.name.partition(".")[0],) * 2
    elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in PACKAGES and not node.level:
        for alias in node.names:
            yield alias.asname or alias.name, f"{node.module}.{alias.name}"


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[ast.expr, ast.expr]]:
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        yield from zip(target.elts, value.elts)
    else:
        yield target, value


def _parts(target: ast.expr) -> Iterator[ast.expr]:
    if isinstance(target, (ast.Tuple, ast.List)):
        for part in target.elts:
            yield from _parts(part)
    else:
        yield target


def _dotted(node: ast.expr, names: Names) -> Optional[str]:
    """The dotted name of an expression that is one of Mitogen's, None for any other."""
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value, names)
        return None if before is None else f"{before}.{node.attr}"
    return None
