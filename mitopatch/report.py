"""[cli] What `mitopatch status`, `verify` and `doctor` print: facts of this environment, found by really trying."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from collections.abc import Iterator
from typing import Optional

from mitopatch import __version__, autoload, bootstrap, fingerprint, hook, ledger, mitogen_release, release, select, settings, versions
from mitopatch.declare import Edit, Relies, Replace
from mitopatch.errors import STOPPED, NotApplied, Reason
from mitopatch.versions import probe


class Findings:
    """[cli] What was found by choosing, applying and taking back the installed release's bundle in this process."""

    def __init__(self) -> None:
        # Only the trial below may patch this process, whatever the setting says.
        hook.remove(autoload.finder)
        self.release = release.installed()
        self.opened: Optional[bootstrap.Opened] = None
        self.reason: Optional[Reason] = None
        self.states: list[tuple[ledger.Entry, str]] = []
        self.setting = bootstrap.Setting(None, "")
        #: Every function of Mitogen that the bundle rests on, and what became of it; empty if there is no Mitogen.
        self.mitogen: list[mitogen_release.Verdict] = []
        # Before anything of Ansible's is imported: what an import would give, and what it hides.
        self.notes = list(places())
        if isinstance(self.release, Reason):
            self.reason = self.release
            return
        try:
            self.setting = bootstrap.decide(probe.config_file(), os.environ)
        except Exception as error:
            self.reason = _broken(error)
            return
        try:
            self.opened = bootstrap.open_ledger()
        except NotApplied as refused:
            self.reason = refused.reason
            return
        self.release = self.opened.release
        try:
            self.mitogen = mitogen_release.every()
        except NotApplied as refused:
            self.reason = refused.reason
        # A run looks at Mitogen first. Here the bundle is tried all the same, for what there is to say of it.
        self.reason = self.reason or next((function.reason for function in self.mitogen if function.reason), None)
        tried = self._try(self.opened)
        self.reason = self.reason or tried

    def _try(self, opened: bootstrap.Opened) -> Optional[Reason]:
        """Apply the bundle in this process and take it back: why that was not possible, or None."""
        book = opened.ledger
        try:
            reason = book.apply()
        except SystemExit as error:
            # Ansible's own way to say that it cannot start (locale, Python).
            reason = _broken(error)
        if reason is not None:
            reason.facts["found_release"] = opened.release
        self.states = [(entry, entry.state) for entry in book.entries]
        return reason or book.undo()


def places() -> Iterator[Reason]:
    """[cli] What makes it doubtful which code runs here: copies that hide one another, files and metadata that disagree."""
    mitogens = mitogen_release.copies()
    if len(mitogens) > 1:
        yield Reason("MP164", count=len(mitogens), used=mitogens[0], hidden=", ".join(mitogens[1:]))
    found = release.copies()
    if not found:
        return
    shown = [f"{copy.text or 'one without a version'} in {copy.folder}" for copy in found]
    if len(found) > 1:
        yield Reason("MP115", count=len(found), used=shown[0], hidden=", ".join(shown[1:]))
    for package in ("ansible-core", "ansible-base", "ansible"):
        for described in importlib.metadata.distributions(name=package):
            # The package "ansible" has held collections only since 2.10; before, it was what is ansible-core now.
            if package == "ansible" and "ansible" not in (described.read_text("top_level.txt") or "").split():
                continue
            here = os.path.realpath(str(described.locate_file("ansible"))) == os.path.realpath(found[0].folder)
            if here and not select.same_release(described.version, found[0].text):
                named = f"{package} {described.version}"
                yield Reason("MP116", found=found[0].text or "nothing", metadata=named, folder=found[0].folder)


def _broken(error: BaseException) -> Reason:
    return Reason("MP136", problem=(str(error).splitlines() or [type(error).__name__])[0])


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def workers() -> str:
    """[cli] How many worker processes a run here would have, and why."""
    found = settings.read("MITOPATCH_WORKERS")
    if found:
        return f"{found} (MITOPATCH_WORKERS)"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return f"{cores} (one per CPU core this process may use)"


def verdict(found: Findings, hooked: bool) -> str:
    """[cli] Would a run started here be accelerated? One sentence, the first obstacle named."""
    if found.reason is not None:
        if settings.read("MITOPATCH_UNKNOWN") == "error":
            found.reason.facts["outcome"] = STOPPED
        return f"no: {found.reason.text}"
    if found.setting.mode == "off":
        return f"no: {found.setting.source}"
    if not hooked:
        return "no: mitopatch.pth is not installed in this environment; 'mitopatch run -- COMMAND' does without it"
    if found.setting.mode == "dormant":
        return f"only plays with 'strategy: mitopatch_linear|free|host_pinned': {found.setting.source}"
    return f"yes: {found.setting.source}"


def status(found: Findings, hooked: bool) -> Iterator[str]:
    """[cli] The lines of `mitopatch status`."""
    shown = (found.release or "no version") if isinstance(found.release, str) else "none"
    yield f"mitopatch      {__version__}, mitogen {_version('mitogen')}"
    yield f"python         {platform.python_version()} ({sys.executable})"
    yield f"ansible-core   {shown}" + _distance(found)
    yield "bundle         " + (f"{found.opened.ledger.bundle.series} ({_in_force(found)})" if found.opened else "none")
    yield f"mitogen        {_known(found)}"
    yield f"start hook     {'installed (mitopatch.pth)' if hooked else 'not installed'}"
    yield f"workers        {workers()}"
    yield f"active here    {verdict(found, hooked)}"
    if found.opened and found.opened.notice is not None:
        yield f"note           {found.opened.notice.text}"
    for note in (*found.notes, *found.setting.complaints):
        yield f"note           {note.text}"
    if found.states:
        yield ""
        yield "patches (applied and taken back in this process):"
        width = max(len(entry.declaration.key) for entry, _state in found.states)
        for entry, state in found.states:
            reason = f"  {entry.reason.text}" if entry.reason is not None else ""
            yield f"  {state:8} {entry.declaration.kind:9} {entry.declaration.key:{width}}{reason}"
    if found.mitogen:
        yield ""
        yield "functions of mitogen that all bundles rest on (read, not imported; 'mitopatch show' says why):"
        yield from (f"  {function.line}" for function in found.mitogen)


def _distance(found: Findings) -> str:
    if found.opened is None or isinstance(found.release, Reason):
        return ""
    for row in versions.SUPPORTED:
        if row.series == found.opened.ledger.bundle.series:
            outside = select.beyond_tested(row, found.release)
            return f" ({'outside the' if outside else 'within the'} tested range {row.oldest} to {row.newest})"
    return ""


def _known(found: Findings) -> str:
    if not found.mitogen:
        return "not looked at"
    installed = mitogen_release.Installed()
    good = sum(function.reason is None for function in found.mitogen)
    return f"{installed.release or 'no version'} in {installed.folder} ({good} of {len(found.mitogen)} functions as known)"


def _in_force(found: Findings) -> str:
    good = sum(state == ledger.APPLIED for _entry, state in found.states)
    return f"{good} of {len(found.states)} declarations in force when tried"


def doctor(found: Findings, hooked: bool) -> Iterator[str]:
    """[cli] The lines of `mitopatch doctor`: the status, and what a maintainer asks next. Names no host and no secret."""
    yield "Please paste everything from here into the issue."
    yield ""
    yield from status(found, hooked)
    yield ""
    yield f"platform       {platform.platform()}, {platform.python_implementation()}"
    yield f"packaging      {_version('packaging')}, ansible {_version('ansible')}, ansible-core metadata {_version('ansible-core')}"
    names = [switch.name for switch in settings.SWITCHES] + ["ANSIBLE_STRATEGY", "ANSIBLE_STRATEGY_PLUGINS"]
    yield "environment    " + (", ".join(f"{name}={os.environ[name]}" for name in names if name in os.environ) or "no switch is set")
    for entry, _state in found.states:
        if isinstance(entry.declaration, (Edit, Relies, Replace)) and entry.site is not None:
            value = fingerprint.of_object(entry.site.value) or "none"
            yield f"fingerprint    {value}  {entry.declaration.key}"
    for module, digest in mitogen_release.unpublished() if found.mitogen else ():
        yield f"mitogen file   {digest}  {module}, which is not as published"
    for entry, _state in found.states:
        if entry.traceback:
            yield ""
            yield from entry.traceback.rstrip().splitlines()
