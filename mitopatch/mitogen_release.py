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
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.machinery import ModuleSpec, PathFinder
from typing import NamedTuple, Optional

from mitopatch import fingerprint, release, select
from mitopatch.declare import BODY, GONE, PARAMETERS, SAME
from mitopatch.errors import NotApplied, Reason
from mitopatch.fingerprint import SourceFile
from mitopatch.targets import relied_on
from mitopatch.targets.reliance import CALL, ReliedOn

TABLE = "mitogen-0.3.json"
#: Mitogen's distribution has two packages.
PACKAGES = ("mitogen", "ansible_mitogen")
UNREADABLE = "not readable"
#: The fingerprint of a function and its parameters, joined; or None, and what is not there.
Symbol = list[Optional[str]]


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

    @property
    def folder(self) -> str:
        """[cli] Return where the first of the two packages lies that is there, '' if there is none."""
        specs = [spec for spec in map(self._spec, PACKAGES) if spec is not None]
        return next((path for spec in specs for path in spec.submodule_search_locations or ()), "")

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


def every() -> list[Verdict]:
    """[cli] Return the verdicts on all functions, none if there is no Mitogen at all. Raises NotApplied (MP107)."""
    try:
        return list(verdicts()) if Installed().folder else []
    finally:
        fingerprint.forget()


def unpublished() -> Iterator[tuple[str, str]]:
    """[cli] Yield the modules whose files are none of a published release, each with the digest of its file, or why there is none."""
    table, installed = load(), Installed()
    for module, digests in table.files.items():
        try:
            file = installed.module(module)
            digest = "none" if file is None else file.digest
        except OSError as error:
            digest = type(error).__name__
        if digest not in digests:
            yield module, digest


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
            published = file is not None and file.digest in table.files.get(module, ())
            # A file that is known does not vouch for a function that is not in the table.
            unsure = [item for item in members if not published or item.key not in table.symbols]
            symbols = _symbols(file, unsure, installed) if unsure else {}
        except (NotApplied, OSError, UnicodeError) as error:  # no text, or none that this Python can read
            yield from (Verdict(item, UNREADABLE, _unreadable(error)) for item in members)
            continue
        for item in members:
            yield _compared(item, symbols[item.name], installed, table) if item.name in symbols else Verdict(item, SAME)


def copies() -> list[str]:
    """[cli] Return the folder of every Mitogen in reach, the one that an import gives first; a folder that is reached twice is one."""
    folders: dict[str, str] = {}
    for folder in (Installed().folder, *(os.path.join(entry or os.curdir, PACKAGES[0]) for entry in sys.path)):
        if os.path.isfile(os.path.join(folder, "__init__.py")):
            folders.setdefault(os.path.realpath(folder), folder)
    return list(folders.values())


def _symbols(file: Optional[SourceFile], items: list[ReliedOn], installed: Installed) -> dict[str, Symbol]:
    """Look functions up in a file that is not as published; what is in the file is found once for each text of it.

    Parsing all files takes 0.2 s of a start. A Mitogen that came out after this mitopatch has only such files.
    """
    # Imported here: hardly any run needs them.
    from mitopatch import cache
    from mitopatch.lookup import Lookup

    lookup = Lookup(installed)

    def look(item: ReliedOn) -> Symbol:
        try:
            found = lookup.find(item.module, item.name)
        except LookupError as error:
            return [None, str(error.args[0])]
        return [found.mark, ", ".join(found.parameters or ())]

    def here(item: ReliedOn) -> bool:
        try:
            # What is imported from outside of Mitogen is this text's to say: how, is all that is compared.
            place = lookup.defined(item.module, item.name)
            return place == item.key or place.startswith("outside:")
        except LookupError:
            return False

    def read() -> dict[str, Symbol]:
        return {item.name: look(item) for item in items if here(item)}

    names = fingerprint.of_lines(item.name for item in items)
    symbols: dict[str, Symbol] = {} if file is None else cache.remembered(f"functions-{names}", "\n".join(file.lines), read)
    # What is gone, or comes from another file, is not this text's to say.
    return {item.name: symbols.get(item.name) or look(item) for item in items}


def _compared(item: ReliedOn, symbol: Symbol, installed: Installed, table: Table) -> Verdict:
    mark, parameters = symbol
    if mark is None:
        return Verdict(item, GONE, _reason("MP162", item, installed, table, problem=parameters))
    bodies, taken = table.symbols.get(item.key, {}), table.parameters.get(item.key, {"": ""})
    if bodies and parameters not in taken:
        wanted = " or ".join(f"({names})" for names in sorted(taken))
        return Verdict(item, PARAMETERS, _reason("MP161", item, installed, table, found=parameters, wanted=wanted))
    if mark in bodies:
        return Verdict(item, SAME)
    if item.checked == CALL and bodies:
        return Verdict(item, BODY)
    return Verdict(item, BODY, _reason("MP160", item, installed, table, found=mark, known=", ".join(sorted(bodies)) or "none"))


def _reason(code: str, item: ReliedOn, installed: Installed, table: Table, **facts: Optional[str]) -> Reason:
    return Reason(code, target=item.key, found_release=installed.release or "?", releases=table.releases, **facts)


def _unreadable(error: BaseException) -> Reason:
    error = error.__cause__ or error  # of a NotApplied, which speaks of ansible-core
    return Reason("MP163", problem=str(error) if isinstance(error, NoSource) else f"{type(error).__name__}: {error}")
