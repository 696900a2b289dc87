"""[controller] The one start: reads the setting, waits until Ansible's queue manager is there, applies or gives up quietly.

Steps, each in the process that imports Ansible's controller, in this order:

1. `ansible.constants` has run: the setting is read (environment, the ansible.cfg that Ansible chose, a strategy alias).
2. `ansible.executor.task_queue_manager` has run, and no module that is to be patched is half imported: the aliases are put
   in place, and if the setting is on, the bundle of the installed release.
3. If the setting is neither on nor off, step 2's bundle waits for the first play that names an alias.

Imports stand inside the functions: a run in which mitopatch is off must not pay for what only an active one needs.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple, Optional

from mitopatch import hook, settings
from mitopatch.autoload import WATCHED
from mitopatch.errors import STOPPED, NotApplied, Reason

if TYPE_CHECKING:
    from mitopatch.autoload import Finder
    from mitopatch.ledger import Ledger

PREFIX = "mitopatch_"
CONSTANTS = "ansible.constants"
QUEUE_MANAGER = "ansible.executor.task_queue_manager"
#: What Ansible's programs are told when all they do is to say a word: other programs ask often, and checking the bundle takes a while.
NOTHING_RUNS = ["--version"]


class Setting(NamedTuple):
    """[controller] What the user asked for: ``on`` is None if nothing was said; ``source`` says where; complaints are about bad values."""

    on: Optional[bool]
    source: str
    complaints: tuple[Reason, ...] = ()

    @property
    def mode(self) -> str:
        """[controller] on, off, or dormant (waiting for a play that names an alias)."""
        return "dormant" if self.on is None else "on" if self.on else "off"


class _Run:
    """What this process knows of its start; one object, so that a test can begin anew."""

    def __init__(self) -> None:
        self.setting = Setting(None, "nothing was set")
        self.executed: set[str] = set()
        self.started = False
        self.tried = False
        self.reason: Optional[Reason] = None
        self.aliases: Optional[Ledger] = None


run = _Run()


def decide(config_file: Optional[str], environ: Mapping[str, str]) -> Setting:
    """[controller] The setting: MITOPATCH, else ``mitopatch =`` in the ansible.cfg given, else a strategy alias. Never raises."""
    complaints = [found for found in (settings.problem(switch.name, environ) for switch in settings.SWITCHES) if found]
    word = environ.get("MITOPATCH", "")
    if word.strip():
        return Setting(bool(settings.truth(word)), f"MITOPATCH={word} in the environment", tuple(complaints))
    values: Mapping[str, str] = {}
    if config_file:
        try:
            values = _defaults(config_file)
        except (OSError, ValueError) as error:
            complaints.append(Reason("MP122", file=config_file, problem=f"{type(error).__name__}: {error}"))
    if "mitopatch" in values:
        word = values["mitopatch"]
        meant = settings.truth(word)
        if meant is None:
            complaints.append(Reason("MP120", name="mitopatch", found=word, source=config_file, wanted="on, off", used="off"))
        return Setting(bool(meant), f"mitopatch = {word} in {config_file}", tuple(complaints))
    strategy = environ.get("ANSIBLE_STRATEGY") or values.get("strategy", "")
    if strategy.startswith(PREFIX):
        where = "ANSIBLE_STRATEGY" if environ.get("ANSIBLE_STRATEGY") else str(config_file)
        return Setting(True, f"strategy {strategy} in {where}", tuple(complaints))
    return Setting(None, "neither MITOPATCH nor 'mitopatch = on' is set", tuple(complaints))


def _defaults(path: str) -> Mapping[str, str]:
    """The [defaults] of a file as Ansible reads it. Raises OSError, ValueError."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    # Most files do not mention us; a parser is imported and run only for those that do.
    if "mitopatch" not in text:
        return {}
    import configparser

    parser = configparser.RawConfigParser(inline_comment_prefixes=(";",))
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise ValueError(str(error).splitlines()[0]) from error
    return dict(parser["defaults"]) if parser.has_section("defaults") else {}


def executed(module: ModuleType, finder: Finder) -> None:
    """[controller] One of the watched modules has run. Called by the import hook, which catches what is raised here."""
    run.executed.add(module.__name__)
    if module.__name__ == CONSTANTS:
        run.setting = decide(getattr(module, "CONFIG_FILE", None), os.environ)
    if run.started or QUEUE_MANAGER not in run.executed or any(_half_imported(name) for name in WATCHED):
        return
    run.started = True
    hook.remove(finder)
    for complaint in run.setting.complaints:
        say(complaint)
    _apply_aliases()
    if run.setting.mode == "on" and sys.argv[1:] != NOTHING_RUNS:
        activate()


def _half_imported(name: str) -> bool:
    """Is the module in sys.modules with code still to run? Its spec says "initializing" until after our own call, hence ``executed``."""
    spec = getattr(sys.modules.get(name), "__spec__", None)
    return bool(getattr(spec, "_initializing", False)) and name not in run.executed


def _apply_aliases() -> None:
    """Wrong names must not be an error of ours: if Ansible has changed so much that this fails, only a user who set us hears of it."""
    from mitopatch.fingerprint import Known
    from mitopatch.ledger import Ledger
    from mitopatch.versions import aliases

    run.aliases = Ledger(aliases.bundle(activate, refusal, unknown_alias, pending), Known({}))
    reason = run.aliases.apply()
    if reason is not None and run.setting.mode == "on":
        say(reason)


def pending() -> bool:
    """[controller] Would naming an alias now start the bundle?"""
    return run.setting.mode != "off" and not run.tried


def refusal() -> Optional[Reason]:
    """[controller] The reason for which no play may start: only with MITOPATCH_UNKNOWN=error, and only if the bundle was refused."""
    return run.reason if settings.read("MITOPATCH_UNKNOWN") == "error" else None


def unknown_alias(name: str) -> None:
    """[controller] A play names mitopatch_something that does not exist: upstream reports the error, we name the three that do."""
    say(Reason("MP121", found=name))


def activate() -> Optional[Reason]:
    """[controller] Try the bundle of the installed release, once. None if it is in force, else the reason, which the user has been told."""
    if not pending():
        return run.reason
    run.tried = True
    try:
        run.reason = _try_bundle()
    except Exception as error:
        _trace()
        run.reason = Reason("MP130", problem=f"{type(error).__name__}: {error}")
    if run.reason is None:
        return None
    if refusal() is None:
        say(run.reason)
    else:
        run.reason.facts["outcome"] = STOPPED
    return run.reason


def _try_bundle() -> Optional[Reason]:
    from mitopatch import ledger

    try:
        opened = open_ledger()
        unknown = mitogen_refusal()
    except NotApplied as refused:
        return refused.reason
    if opened.notice is not None:
        say(opened.notice)
    if unknown is not None:
        return unknown
    ledger.make_current(opened.ledger)
    reason = opened.ledger.apply()
    if reason is not None:
        reason.facts["found_release"] = opened.release
    if settings.flag("MITOPATCH_DEBUG"):
        for entry in opened.ledger.entries:
            sys.stderr.write(entry.traceback)
    return reason


def mitogen_refusal() -> Optional[Reason]:
    """[controller] Return why the installed Mitogen will not do, None if all that mitopatch rests on is known. Raises NotApplied (MP107).

    Before the bundle is put in force, and so before any fork: a worker, and what it sends to targets, is Mitogen's code.
    """
    from mitopatch import mitogen_release

    return mitogen_release.refusal()


class Opened(NamedTuple):
    """[controller] The ledger for an installed release, nothing applied yet, and what the user should hear about the choice."""

    release: str
    ledger: Ledger
    notice: Optional[Reason]


def open_ledger() -> Opened:
    """[controller] Find the release, choose and load its bundle. Raises NotApplied with the reason for none."""
    try:
        from mitopatch import ledger, release, select
    except ImportError as error:
        raise NotApplied(Reason("MP105", package=error.name or str(error), wanted="")) from error

    found = release.installed()
    if isinstance(found, Reason):
        raise NotApplied(found)
    choice = select.choose(found)
    if choice.row is None:
        raise NotApplied(choice.reason or Reason("MP104", found=found))
    missing = select.requirements(choice.row)
    if missing is not None:
        raise NotApplied(missing)
    bundle, known = select.load(choice.row)
    return Opened(found, ledger.Ledger(bundle, known), choice.notice)


def say(reason: Reason) -> None:
    """[controller] One warning, the way Ansible warns if its display is there already, else on stderr."""
    display = sys.modules.get("ansible.utils.display")
    if display is not None and not getattr(display.__spec__, "_initializing", False):
        display.Display().warning(reason.text)
    else:
        sys.stderr.write(f"[WARNING]: {reason.text}\n")


def failed(error: Exception) -> None:
    """[controller] Something of ours raised inside an import: told once, Ansible goes on plain."""
    _trace()
    say(Reason("MP130", problem=f"{type(error).__name__}: {error}"))


def _trace() -> None:
    if settings.flag("MITOPATCH_DEBUG"):
        traceback.print_exc()
