"""[cli] What `mitopatch show` prints: the declarations of one series, what of Mitogen all rest on, and the lines of source patches."""

from __future__ import annotations

import difflib
import importlib.util
import textwrap
import tokenize
from collections.abc import Iterator
from typing import Optional

from mitopatch import body, declare, mitogen_release, release, versions
from mitopatch.archive import Archive
from mitopatch.declare import Bundle, Edit
from mitopatch.errors import NotApplied, Reason
from mitopatch.fingerprint import SourceFile
from mitopatch.targets import relied_on


def row_of(series: str) -> versions.Row:
    """[cli] The row of a series. Raises NotApplied if there is none."""
    for row in versions.SUPPORTED:
        if row.series == series:
            return row
    raise NotApplied(Reason("MP133", found=series, range=versions.listed()))


def declarations(row: versions.Row, bundle: Bundle) -> Iterator[str]:
    """[cli] The lines of `mitopatch show SERIES`."""
    yield f"ansible-core {row.series} ({row.oldest} to {row.newest}), family {bundle.family}: {len(bundle.declarations)} declarations"
    for declaration in bundle.declarations:
        yield ""
        yield f"{declaration.kind:10}{declaration.key}"
        if isinstance(declaration, Edit):
            yield f"  patch     {declaration.patch.name}, with the lines for {len(declaration.patch.fingerprints)} bodies of all series"
        for label, text in (("why", declaration.why), ("upstream", declaration.upstream), ("undo when", declaration.undo_when)):
            yield textwrap.fill(text, 120, initial_indent=f"  {label:10}", subsequent_indent=" " * 12, break_on_hyphens=False)


def mitogen() -> Iterator[str]:
    """[cli] The lines of `mitopatch show SERIES` on Mitogen, which all bundles rest on: what became of each function is of the one here."""
    release_here = mitogen_release.Installed().release
    state = {verdict.item.key: verdict.word for verdict in mitogen_release.every()}
    yield ""
    yield f"mitogen {release_here or '(not installed)'}: all bundles rest on {len(relied_on.RELIED_ON)} functions, classes and values of it"
    yield "body: its text must be that of a published release that was looked at; call: its parameters must be"
    for item in relied_on.RELIED_ON:
        yield ""
        yield f"{item.checked:10}{item.key}"
        yield f"  {'why':10}{item.why}"
        yield f"  {'runs in':10}{item.process}"
        yield f"  {'here':10}{state.get(item.key, declare.GONE)}"


def installed() -> Archive:
    """[cli] The installed ansible-core, as files. Raises NotApplied if there is none."""
    found = release.installed()
    if isinstance(found, Reason):
        raise NotApplied(found)
    spec = importlib.util.find_spec("ansible")
    return Archive(next(iter(spec.submodule_search_locations or [""])) if spec is not None else "")


def differences(row: versions.Row, bundle: Bundle, archive: Archive) -> Iterator[str]:
    """[cli] The lines of `mitopatch show --diff`: a unified diff per source patch. Raises NotApplied if one does not fit the release."""
    version = release.parse(archive.release)
    if isinstance(version, Reason) or release.series(version) != row.series:
        raise NotApplied(Reason("MP137", series=row.series, found=archive.release, example=row.newest))
    for declaration in bundle.declarations:
        if isinstance(declaration, Edit):
            try:
                yield from _difference(declaration, archive.module(declaration.module))
            except (SyntaxError, UnicodeError, tokenize.TokenError) as error:
                raise NotApplied(Reason("MP152", found=archive.release, problem=f"{type(error).__name__}: {error}")) from error


def _difference(edit: Edit, file: Optional[SourceFile]) -> Iterator[str]:
    found = None if file is None else file.definition(edit.name)
    if file is None or found is None:
        raise NotApplied(edit.patch.misfit("there is no such function"))
    text, first = found
    function = body.from_text(text, first)
    before = list(file.lines)
    after = before[: first - 1] + [line.text for line in edit.patch.apply(function)] + before[first - 1 + len(function.lines) :]
    path = edit.module.replace(".", "/") + ".py"
    yield f"# {edit.patch.name}: {edit.key}"
    yield from difflib.unified_diff(before, after, f"a/{path}", f"b/{path}", lineterm="")
