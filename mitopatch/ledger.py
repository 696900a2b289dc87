"""[controller] The book of what was changed in Ansible, and the only place that changes it.

A bundle is one transaction: verify every declaration, apply every declaration, look whether each is in force, start the
bundle. The first failure puts everything back. The states an entry may have:

    pending   nothing looked at yet              applied   in force, and seen to be
    refused   verification said no (reason)      failed    could not be put in place (reason, traceback)
    undone    was applied, upstream's value is back

"applied" is written after the look, never before the attempt. Undoing is the book read backwards, not a second list.
"""

from __future__ import annotations

import importlib
import traceback
from typing import Any, Optional

from mitopatch import fingerprint
from mitopatch.declare import MISSING, Bundle, Declaration, Site
from mitopatch.errors import NotApplied, Reason

PENDING, APPLIED, REFUSED, FAILED, UNDONE = "pending", "applied", "refused", "failed", "undone"

# Upstream's own value per "module:Symbol". First one wins, so that neither applying twice nor two bundles on one name can
# make a wrapper of ours pass for the original.
_ORIGINALS: dict[str, Any] = {}


class Entry:
    """[controller] One declaration and what became of it."""

    def __init__(self, declaration: Declaration) -> None:
        self.declaration = declaration
        self.state = PENDING
        self.reason: Optional[Reason] = None
        self.traceback = ""
        self.site: Optional[Site] = None
        self.before: Any = MISSING  # what the parent's own __dict__ held
        self.put: Any = MISSING  # what we put there


class Ledger:
    """[controller] One bundle's book. Nothing here raises, except BaseException that is no Exception, after putting all back."""

    def __init__(self, bundle: Bundle, known: fingerprint.Known) -> None:
        self.bundle = bundle
        self.known = known
        self.entries = [Entry(declaration) for declaration in bundle.declarations]
        self.reason: Optional[Reason] = None
        self.begun = False

    @property
    def applied(self) -> bool:
        """[controller] Is the whole bundle in force?"""
        return self.begun

    def verify(self) -> Optional[Reason]:
        """[controller] Import the declared modules and check every declaration; the first refusal, or None. Changes nothing in Ansible."""
        first: Optional[Reason] = None
        for entry in self.entries:
            reason = self._verify(entry)
            entry.reason = reason
            if reason is not None:
                entry.state = REFUSED
                first = first or reason
            elif entry.state in (REFUSED, FAILED):
                entry.state = PENDING
        fingerprint.forget()
        return first

    def _verify(self, entry: Entry) -> Optional[Reason]:
        declaration = entry.declaration
        try:
            site = Site(importlib.import_module(declaration.module), declaration.name)
            entry.site = site
            return declaration.verify(site, _ORIGINALS.get(declaration.key, site.value), self.known)
        except Exception as error:
            entry.traceback = traceback.format_exc()
            return Reason("MP110", target=declaration.key, problem=f"{type(error).__name__}: {error}")

    def apply(self) -> Optional[Reason]:
        """[controller] The transaction. None if the bundle is in force now (also if it already was), else why everything was put back."""
        if self.begun:
            return None
        self.reason = self.verify()
        if self.reason is not None:
            return self.reason
        try:
            self.reason = self._apply_all() or self._begin()
        except BaseException:
            # KeyboardInterrupt in the middle: half a bundle must not survive it.
            self._put_back()
            raise
        if self.reason is not None:
            self._put_back()
        return self.reason

    def _apply_all(self) -> Optional[Reason]:
        for entry in self.entries:
            reason = self._apply(entry)
            if reason is not None:
                entry.state = FAILED
                entry.reason = reason
                return reason
        for entry in self.entries:
            if not self._last_on_its_site(entry):
                continue
            if entry.site is None or not entry.declaration.holds(entry.site, entry.put):
                entry.reason = Reason("MP111", target=entry.declaration.key)
                return entry.reason
        for entry in self.entries:
            entry.state = APPLIED
        return None

    def _apply(self, entry: Entry) -> Optional[Reason]:
        declaration = entry.declaration
        try:
            # Looked up anew: an earlier entry of this bundle may stand on the same name.
            site = Site(importlib.import_module(declaration.module), declaration.name)
            put = declaration.build(site.value)
            if put is not MISSING:
                _ORIGINALS.setdefault(declaration.key, site.value)
                entry.site, entry.before, entry.put = site, site.own, put
                setattr(site.parent, site.attribute, put)
        except NotApplied as refused:
            entry.traceback = traceback.format_exc()
            return refused.reason
        except Exception as error:
            entry.traceback = traceback.format_exc()
            return Reason("MP112", target=declaration.key, problem=f"{type(error).__name__}: {error}")
        return None

    def _begin(self) -> Optional[Reason]:
        try:
            if self.bundle.begin is not None:
                self.bundle.begin()
        except Exception as error:
            self.entries[-1].traceback = traceback.format_exc()
            return Reason("MP114", series=self.bundle.series, problem=f"{type(error).__name__}: {error}")
        self.begun = True
        return None

    def _last_on_its_site(self, entry: Entry) -> bool:
        """Two entries may stand on one name: only the later one is what a look-up finds."""
        return [other for other in self.entries if other.declaration.key == entry.declaration.key][-1] is entry

    def undo(self) -> Optional[Reason]:
        """[controller] Upstream's values back, last first; a refusal, nothing changed, if somebody patched on top of us."""
        if not self.begun:
            return None
        for entry in self.entries:
            site = entry.site
            if site is not None and self._last_on_its_site(entry) and not entry.declaration.holds(site, entry.put):
                return Reason("MP113", target=entry.declaration.key)
        try:
            if self.bundle.end is not None:
                self.bundle.end()
        except Exception as error:
            self.entries[-1].traceback = traceback.format_exc()
            self.reason = Reason("MP114", series=self.bundle.series, problem=f"while ending, {type(error).__name__}: {error}")
        self._put_back()
        return None

    def _put_back(self) -> None:
        for entry in reversed(self.entries):
            if entry.site is not None and entry.put is not MISSING:
                if entry.before is MISSING:
                    delattr(entry.site.parent, entry.site.attribute)
                else:
                    setattr(entry.site.parent, entry.site.attribute, entry.before)
                entry.put = entry.before = MISSING
            if entry.state == APPLIED:
                entry.state = UNDONE
        self.begun = False


_CURRENT: Optional[Ledger] = None


def current() -> Optional[Ledger]:
    """[controller] The ledger of the release's bundle in this process; None if no bundle was tried."""
    return _CURRENT


def make_current(ledger: Optional[Ledger]) -> None:
    """[controller] Called by the entrance that starts a bundle, so that `current` can show it."""
    global _CURRENT
    _CURRENT = ledger


def original(key: str) -> Any:
    """[controller] Upstream's own value of ``module:Symbol``, also after undoing. Raises KeyError if nothing of ours ever stood there."""
    return _ORIGINALS[key]
