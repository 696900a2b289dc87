"""[controller] Whether the Mitogen that a worker would import is one whose functions mitopatch knows. None of it is imported.

`targets.relied_on` lists the functions, ``versions/fingerprints/mitogen-0.3.json`` what each published release has in their place
(``maintenance/drift.py`` writes it). Importing Mitogen would cost a start 0.4 s, so its files are found and read.

As for ansible-core there are two ways: the digest of a whole file is known, or the functions are cut out of it and compared one by
one. So a change elsewhere in a file, as a distribution may make it, does not matter.
"""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from importlib.machinery import ModuleSpec, PathFinder
from typing import NamedTuple, Optional

from mitopatch import fingerprint, release, select
from mitopatch.declare import BODY, GONE, PARAMETERS, SAME
from mitopatch.errors import NotApplied, Reason
from mitopatch.fingerprint import SourceFile
from mitopatch.targets import relied_on
from mitopatch.targets.relied_on import ReliedOn

TABLE = "mitogen-0.3.json"
#: Mitogen's distribution has two packages.
PACKAGES = ("mitogen", "ansible_mitogen")
UNREADABLE = "not readable"


class Verdict(NamedTuple):
    """[controller, cli] One function: what became of it, and the reason if mitopatch steps aside because of it."""

    item: ReliedOn
    word: str
    reason: Optional[Reason] = None

    @property
    def line(self) -> str:
        """[cli] As it is printed."""
        reason = f"  {self.reason.text}" if self.reason is not None else ""
        return f"{self.word:20}{self.item.checked:10}{self.item.key}{reason}"


class NoSource(OSError):
    """[controller] A module that Python would import, and of which there is no text to compare."""


class Installed:
    """[controller] The modules of the Mitogen that an import here would give, by dotted name: a `lookup.Sources`."""

    def __init__(self) -> None:
        self._specs: dict[str, Optional[ModuleSpec]] = {}

    @property
    def release(self) -> str:
        """[controller] Return what Mitogen's files say of their release: its metadata may be of another copy."""
        try:
            file = self.module("mitogen")
            return "" if file is None else release.numbers("\n".join(file.lines))
        except (OSError, UnicodeError):
            return ""

    def module(self, name: str) -> Optional[SourceFile]:
        """[controller] Return a module's file, None if there is no such module. Raises OSError if its text cannot be had."""
        spec = self._spec(name)
        if spec is None:
            return None
        if not (spec.origin or "").endswith(".py"):
            # Byte code alone, a compiled module, or a folder without a file.
            raise NoSource(f"{name} has no source text: {spec.origin}")
        return fingerprint.source_file(str(spec.origin))

    def package(self, name: str) -> str:
        """[controller] Return what a relative import in this module starts from: a package itself, else the package it is in."""
        spec = self._spec(name)
        return name if spec is not None and spec.submodule_search_locations is not None else name.rpartition(".")[0]

    def _spec(self, name: str) -> Optional[ModuleSpec]:
        if name not in self._specs:
            self._specs[name] = self._found(name)
        return self._specs[name]

    def _found(self, name: str) -> Optional[ModuleSpec]:
        if name.partition(".")[0] not in PACKAGES:
            return None  # what Mitogen imports from elsewhere is no part of it
        parent = name.rpartition(".")[0]
        if not parent:
            try:
                # Finding a top-level package imports nothing, and asks the finders of editable installs too.
                return importlib.util.find_spec(name)
            except (ImportError, ValueError):
                return None
        package = self._spec(parent)
        folders = None if package is None else package.submodule_search_locations
        # Not importlib.util.find_spec, which would import the package. These are the finders that it asks for what is in a folder.
        return None if folders is None else PathFinder.find_spec(name, folders)


class Table(NamedTuple):
    """[controller] What the published releases have: by ``module:Symbol`` or module, and there by value, the releases that have it."""

    releases: str
    symbols: Mapping[str, Mapping[str, str]]
    parameters: Mapping[str, Mapping[str, str]]
    files: Mapping[str, Mapping[str, str]]


def load(path: Optional[str] = None) -> Table:
    """[controller] Return the table of Mitogen's releases. Raises NotApplied (MP107) if it is missing or damaged."""
    path = path or os.path.join(select.FINGERPRINTS, TABLE)
    try:
        with open(path, encoding="utf-8") as file:
            read = json.load(file)
        if not isinstance(read, dict) or not all(isinstance(read.get(kind), dict) for kind in Table._fields[1:]):
            raise ValueError("unexpected structure")
        return Table(str(read.get("releases")), read["symbols"], read["parameters"], read["files"])
    except (OSError, ValueError) as error:
        raise NotApplied(Reason("MP107", file=os.path.basename(path), problem=f"{type(error).__name__}: {error}")) from error


def refusal() -> Optional[Reason]:
    """[controller] Return why mitopatch must step aside for the Mitogen that is installed, None if it need not.

    Called before a bundle is put in force, and so before any fork. Raises NotApplied (MP107).
    """
    try:
        return next((verdict.reason for verdict in verdicts() if verdict.reason is not None), None)
    finally:
        fingerprint.forget()


def verdicts(table: Optional[Table] = None, items: Iterable[ReliedOn] = relied_on.RELIED_ON) -> Iterator[Verdict]:
    """[controller, cli] Compare each function that mitopatch rests on with the table. Raises NotApplied (MP107).

    One file after the other, so that who wants the first reason reads no further. Tests give a table and functions of their own.
    """
    table = load() if table is None else table
    installed = Installed()
    by_module: dict[str, list[ReliedOn]] = {}
    for item in items:
        by_module.setdefault(item.module, []).append(item)
    for module, members in by_module.items():
        try:
            file = installed.module(module)
        except OSError as error:
            yield from (Verdict(item, UNREADABLE, _unreadable(error)) for item in members)
            continue
        published = file is not None and file.digest in table.files.get(module, ())
        # A file that is known does not vouch for a function that is not in the table.
        yield from (Verdict(item, SAME) if published and item.key in table.symbols else _compared(item, installed, table) for item in members)


def _compared(item: ReliedOn, installed: Installed, table: Table) -> Verdict:
    """Look the function up in the text of its module: for a file that is not as published."""
    # Imported here: hardly any run needs it.
    from mitopatch.lookup import Lookup

    try:
        found = Lookup(installed).find(item.module, item.name)
    except LookupError as error:
        problem = error.args[0] if error.args else item.name
        return Verdict(item, GONE, _reason("MP162", item, installed, table, problem=problem))
    except (NotApplied, OSError, ValueError, RecursionError) as error:  # no Python that this interpreter can read
        return Verdict(item, UNREADABLE, _unreadable(error.__cause__ or error))
    bodies = table.symbols.get(item.key, {})
    taken = table.parameters.get(item.key, {})
    parameters = None if found.parameters is None else ", ".join(found.parameters)
    if parameters not in taken and (taken or parameters is not None):
        wanted = " or ".join(f"({names})" for names in sorted(taken)) or "none"
        return Verdict(item, PARAMETERS, _reason("MP161", item, installed, table, found=parameters, wanted=wanted))
    if found.mark in bodies:
        return Verdict(item, SAME)
    if item.checked == relied_on.CALL and bodies:
        return Verdict(item, BODY)
    listed = ", ".join(sorted(bodies)) or "none"
    return Verdict(item, BODY, _reason("MP160", item, installed, table, found=found.mark, known=listed))


def _reason(code: str, item: ReliedOn, installed: Installed, table: Table, **facts: Optional[str]) -> Reason:
    return Reason(code, target=item.key, found_release=installed.release or "?", releases=table.releases, **facts)


def _unreadable(error: BaseException) -> Reason:
    return Reason("MP163", problem=str(error) if isinstance(error, NoSource) else f"{type(error).__name__}: {error}")
