"""[cli, maintenance] What became of the symbols of a bundle in a release, each in one of four words.

The word tells what changed; whether mitopatch steps aside for it is the declaration's to say: a wrap does not mind another body.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import FunctionType
from typing import Any, NamedTuple, Optional

from mitopatch import fingerprint, ledger
from mitopatch.declare import BODY, GONE, PARAMETERS, SAME, Bundle, Declaration
from mitopatch.errors import Reason
from mitopatch.lookup import Found, Lookup
from mitopatch.versions import aliases

ASIDE = "mitopatch steps aside for this release"


class Verdict(NamedTuple):
    """[cli, maintenance] One declaration: the word, and the reason if the bundle must not be applied because of it."""

    declaration: Declaration
    word: str
    reason: Optional[Reason] = None

    @property
    def line(self) -> str:
        """[cli, maintenance] As it is printed."""
        reason = f"  {self.reason.text}" if self.reason is not None else ""
        return f"{self.word:20}{self.declaration.kind:10}{self.declaration.key}{reason}"


def declarations(bundle: Bundle) -> tuple[Declaration, ...]:
    """[cli, maintenance] All that mitopatch may change in a release: the bundle, and the strategy aliases, which need none."""

    def never(*_arguments: Any) -> Any:
        raise AssertionError("these declarations are only read")

    return (*bundle.declarations, *aliases.bundle(never, never, never, never).declarations)


def of_release(wanted: Iterable[Declaration], known: fingerprint.Known, lookup: Lookup) -> list[Verdict]:
    """[cli, maintenance] The verdicts on a release that is not imported. Raises NotApplied (MP152) if its source is not for this Python."""
    return [_of_source(declaration, known, lookup) for declaration in wanted]


def _of_source(declaration: Declaration, known: fingerprint.Known, lookup: Lookup) -> Verdict:
    try:
        found = lookup.find(declaration.module, declaration.name)
    except LookupError as error:
        return Verdict(declaration, GONE, _aside(Reason("MP110", target=declaration.key, problem=str(error)), lookup))
    reason = declaration.verify_source(found, known)
    if reason is not None:
        word = PARAMETERS if reason.code == "MP109" else BODY
    else:
        word = SAME if found.mark in known.symbols.get(declaration.key, ()) else BODY
    return Verdict(declaration, word, _aside(reason, lookup))


def _aside(reason: Optional[Reason], lookup: Lookup) -> Optional[Reason]:
    if reason is not None:
        reason.facts.update(outcome=ASIDE, found_release=lookup.archive.release)
    return reason


def of_entry(entry: ledger.Entry, known: fingerprint.Known) -> Verdict:
    """[cli] The verdict on what is imported in this process, after the ledger has tried its bundle."""
    declaration, site = entry.declaration, entry.site
    code = "" if entry.reason is None else entry.reason.code
    if code == "MP110" or site is None:
        return Verdict(declaration, GONE, entry.reason)
    if code in ("MP108", "MP109", "MP141"):
        return Verdict(declaration, PARAMETERS if code == "MP109" else BODY, entry.reason)
    try:
        value = ledger.original(declaration.key)
    except KeyError:
        value = site.value
    # What is no code (a module that upstream imports) has no body to compare.
    code_object = isinstance(fingerprint.plain(value), (FunctionType, type))
    changed = code_object and known.check(declaration.key, site.module, value) is not None
    return Verdict(declaration, BODY if changed else SAME, entry.reason)


def between(old: Optional[Found], new: Optional[Found]) -> str:
    """[maintenance] What became of a symbol from one release to another."""
    if new is None:
        return GONE
    if old is not None and old.parameters != new.parameters:
        return PARAMETERS
    return SAME if old is not None and old.mark == new.mark else BODY
