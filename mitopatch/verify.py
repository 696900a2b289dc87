"""[cli] `mitopatch verify`: does every declaration hold, for the installed ansible-core or for a release that is not installed?

Of what is installed it also says whether the functions of Mitogen that all bundles rest on are known.
"""

from __future__ import annotations

import os
from typing import Optional

from mitopatch import fetch, fingerprint, release, report, select, verdicts
from mitopatch.archive import Archive
from mitopatch.errors import NotApplied, Reason
from mitopatch.lookup import Lookup

HOLDS, ASIDE, UNANSWERED = 0, 1, 2
#: Reasons that say nothing about the release: the question could not be answered here.
_NO_ANSWER = ("MP103", "MP107", "MP136", "MP140", "MP150", "MP151", "MP152", "MP153", "MP154", "MP155")


def installed() -> int:
    """[cli] Apply the bundle in this process, take it back, and print what became of each declaration. Returns the exit code."""
    found = report.Findings()
    for verdict in found.mitogen:
        print(verdict.line)
    if found.opened is not None:
        for entry, _state in found.states:
            print(verdicts.of_entry(entry, found.opened.ledger.known).line)
        fingerprint.forget()
    good = f"all declarations hold for the installed ansible-core, and all {len(found.mitogen)} functions of mitogen are known"
    return _ended(found.reason, good)


def of(wanted: str) -> int:
    """[cli] The same for a release number, wheel, sdist or directory, by reading its source only. Returns the exit code."""
    try:
        archive = opened(wanted)
        return _compare(archive)
    except NotApplied as refused:
        return _ended(refused.reason, "")


def opened(wanted: str) -> Archive:
    """[cli] The release that a number, wheel, sdist or directory stands for. Raises NotApplied."""
    if os.path.exists(wanted):
        return Archive(wanted)
    version = release.parse(wanted)
    if isinstance(version, Reason):
        raise NotApplied(Reason("MP150", found=wanted))
    return Archive(fetch.fetch(str(version)))


def _compare(archive: Archive) -> int:
    choice = select.choose(archive.release)
    if choice.row is None:
        reason = choice.reason or Reason("MP104", found=archive.release)
        reason.facts["outcome"] = verdicts.ASIDE
        return _ended(reason, "")
    print(f"ansible-core {archive.release} of {archive.path}, bundle {choice.row.series}")
    if choice.notice is not None:
        print(choice.notice.text)
    try:
        bundle, known = select.load(choice.row)
    except NotApplied as refused:
        cause = refused.__cause__
        if isinstance(cause, ImportError):
            raise NotApplied(Reason("MP154", series=choice.row.series, problem=str(cause))) from cause
        raise
    found = verdicts.of_release(verdicts.declarations(bundle), known, Lookup(archive))
    for verdict in found:
        print(verdict.line)
    first = next((verdict.reason for verdict in found if verdict.reason is not None), None)
    return _ended(first, f"all {len(found)} declarations hold for ansible-core {archive.release}")


def _ended(reason: Optional[Reason], good: str) -> int:
    print(good if reason is None else reason.text)
    if reason is None:
        return HOLDS
    return UNANSWERED if reason.code in _NO_ANSWER else ASIDE
