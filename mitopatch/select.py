"""[any process] From an ansible-core release to the bundle for it. Nothing here raises except `load`, by contract."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
from typing import NamedTuple, Optional

from packaging.requirements import InvalidRequirement
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from mitopatch import __version__, release, settings, versions
from mitopatch.declare import Bundle
from mitopatch.errors import NotApplied, Reason
from mitopatch.fingerprint import Known

FINGERPRINTS = os.path.join(os.path.dirname(versions.__file__ or ""), "fingerprints")


class Choice(NamedTuple):
    """[any process] The row of the bundle chosen or the reason for none; ``notice`` is what a user should hear although one was chosen."""

    row: Optional[versions.Row]
    reason: Optional[Reason]
    notice: Optional[Reason] = None

    @property
    def bundle_module(self) -> Optional[str]:
        """[any process] The dotted name of the module that holds BUNDLE, or None."""
        return None if self.row is None else self.row.module


def choose(found: str, unknown: Optional[str] = None) -> Choice:
    """[any process] The bundle for a release text; ``unknown`` is the policy for others, by default MITOPATCH_UNKNOWN. Never raises."""
    version = release.parse(found)
    if isinstance(version, Reason):
        return Choice(None, version)
    name = release.series(version)
    for row in versions.SUPPORTED:
        if row.series == name:
            return Choice(row, None)
    if (unknown or settings.read("MITOPATCH_UNKNOWN")) == "nearest":
        row = nearest(version)
        return Choice(row, None, Reason("MP102", found=found, range=versions.listed(), series=row.series))
    # No later mitopatch will support what is older than everything it supports.
    remedy = "mitopatch" if Version(versions.SUPPORTED[0].series) <= version else "ansible-core"
    return Choice(None, Reason("MP101", found=found, version=__version__, range=versions.listed(), remedy=remedy))


def nearest(version: Version) -> versions.Row:
    """[any process] The newest supported series below a release, or the oldest one if there is none below."""
    older = [row for row in versions.SUPPORTED if Version(row.series) <= version]
    return older[-1] if older else versions.SUPPORTED[0]


def beyond_tested(row: versions.Row, found: str) -> bool:
    """[cli] Is this release of a supported series outside the tested range? It is patched all the same if every check passes."""
    version = release.parse(found)
    if isinstance(version, Reason):
        return False
    return not Version(row.oldest) <= _upstream(version) <= Version(row.newest)


def same_release(one: str, other: str) -> bool:
    """[cli] Do two texts name one upstream release, whatever a distribution put behind its number?"""
    first, second = release.parse(one), release.parse(other)
    if isinstance(first, Reason) or isinstance(second, Reason):
        return one == other
    return _upstream(first) == _upstream(second)


def _upstream(version: Version) -> Version:
    """A distribution's revision of a release is that release; a pre-release is not."""
    return Version(version.public if version.is_prerelease else version.base_version)


def requirements(row: versions.Row) -> Optional[Reason]:
    """[controller] Why mitogen will not do, or None. Reads its metadata only (some 20 ms), so only when active."""
    try:
        found = importlib.metadata.version("mitogen")
    except importlib.metadata.PackageNotFoundError:
        return Reason("MP105", package="mitogen", wanted=row.mitogen)
    try:
        fits = Version(found) in SpecifierSet(row.mitogen, prereleases=True)
    except (InvalidVersion, InvalidRequirement, TypeError):
        fits = False
    return None if fits else Reason("MP106", package="mitogen", found=found, wanted=row.mitogen)


def load(row: versions.Row, fingerprints: Optional[str] = None) -> tuple[Bundle, Known]:
    """[controller] The bundle of a row and the fingerprints for it. Raises NotApplied if a file of ours is missing or damaged."""
    path = fingerprints or os.path.join(FINGERPRINTS, f"{row.series}.json")
    try:
        known = Known.load(path)
    except (OSError, ValueError) as error:
        raise NotApplied(Reason("MP107", file=os.path.basename(path), problem=f"{type(error).__name__}: {error}")) from error
    return bundle_of(row), known


def bundle_of(row: versions.Row) -> Bundle:
    """[any process] The bundle of a row. Raises NotApplied if its module is missing or damaged, or cannot import what it needs."""
    try:
        bundle = importlib.import_module(row.module).BUNDLE
    except NotApplied:  # a damaged patch has said so in its own words
        raise
    except Exception as error:
        raise NotApplied(Reason("MP107", file=row.module, problem=f"{type(error).__name__}: {error}")) from error
    if not isinstance(bundle, Bundle):
        raise NotApplied(Reason("MP107", file=row.module, problem="BUNDLE is not a Bundle"))
    return bundle
