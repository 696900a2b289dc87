"""[cli] What `mitopatch show` prints: the declarations of one series, and the lines that its source patches change."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import os
import textwrap
import tokenize
from collections.abc import Iterator
from typing import Callable, Optional

from mitopatch import body, release, versions
from mitopatch.declare import Bundle, Edit
from mitopatch.errors import NotApplied, Reason
from mitopatch.fingerprint import SourceFile

#: Gives the file of a module of some ansible-core by the module's dotted name; None if it has none.
Source = Callable[[str], Optional[bytes]]


def row_of(series: str) -> versions.Row:
    """[cli] The row of a series. Raises NotApplied if there is none."""
    for row in versions.SUPPORTED:
        if row.series == series:
            return row
    raise NotApplied(Reason("MP133", found=series, range=versions.listed()))


def bundle_of(row: versions.Row) -> Bundle:
    """[cli] The bundle of a row. Raises NotApplied if a file of ours is damaged."""
    try:
        bundle: Bundle = importlib.import_module(row.module).BUNDLE
    except NotApplied:  # a damaged patch has said so in its own words
        raise
    except Exception as error:
        raise NotApplied(Reason("MP107", file=row.module, problem=f"{type(error).__name__}: {error}")) from error
    return bundle


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


def installed_source(row: versions.Row) -> Source:
    """[cli] The files of the installed ansible-core. Raises NotApplied if it is not of the series."""
    found = release.installed()
    if isinstance(found, Reason):
        raise NotApplied(found)
    version = release.parse(found)
    if isinstance(version, Reason) or release.series(version) != row.series:
        raise NotApplied(Reason("MP137", series=row.series, found=found))
    spec = importlib.util.find_spec("ansible")
    folders = list(spec.submodule_search_locations or []) if spec else []

    def read(module: str) -> Optional[bytes]:
        stem = module.split(".")[1:]
        for folder in folders:
            for path in (os.path.join(folder, *stem) + ".py", os.path.join(folder, *stem, "__init__.py")):
                if os.path.isfile(path):
                    with open(path, "rb") as file:
                        return file.read()
        return None

    return read


def differences(bundle: Bundle, source: Source) -> Iterator[str]:
    """[cli] One unified diff per source patch. Raises NotApplied if one does not fit."""
    for declaration in bundle.declarations:
        if isinstance(declaration, Edit):
            try:
                yield from _difference(declaration, source)
            except (OSError, SyntaxError, UnicodeError, tokenize.TokenError) as error:
                raise NotApplied(declaration.patch.misfit(f"{type(error).__name__}: {error}")) from error


def _difference(edit: Edit, source: Source) -> Iterator[str]:
    data = source(edit.module)
    file = None if data is None else SourceFile(data)
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
