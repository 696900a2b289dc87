"""[cli] The command `mitopatch`: says what would happen here, and starts things by hand."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Optional

# Looked at before anything of ours imports it: present means the .pth line ran when this interpreter started.
HOOKED = "mitopatch_autoload" in sys.modules

from mitopatch import __version__, demo, launch, release, report, select, settings, show, verify, versions  # noqa: E402 - see above
from mitopatch.errors import NotApplied  # noqa: E402


def _list() -> int:
    found = release.installed()
    mine = select.choose(found, "fallback").row if isinstance(found, str) else None
    print(f"{'series':8}{'status':10}{'tested releases':22}{'Pythons':24}mitogen")
    for row in versions.SUPPORTED:
        here = "  <- installed here" if row is mine else ""
        print(f"{row.series:8}{row.status:10}{f'{row.oldest} to {row.newest}':22}{', '.join(row.pythons):24}{row.mitogen}{here}")
    return 0


def _show(series: str, diff: bool, wanted: Optional[str]) -> int:
    try:
        row = show.row_of(series)
        bundle = select.bundle_of(row)
        archive = None if not (diff or wanted) else verify.opened(wanted) if wanted else show.installed()
        listed = (*show.declarations(row, bundle), *show.mitogen()) if archive is None else show.differences(row, bundle, archive)
        lines = list(listed)
    except NotApplied as refused:
        refused.reason.facts["outcome"] = "there is nothing to show"
        print(refused.reason.text, file=sys.stderr)
        return 2 if refused.reason.code == "MP133" else 1
    for line in lines:
        print(line)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mitopatch",
        description="Makes Ansible faster without changing a playbook. Switch it on with 'mitopatch = on' under [defaults] of ansible.cfg.",
        epilog=f"environment:\n{settings.help_text()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"mitopatch {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("status", help="what is installed, and whether a run started here would be accelerated")
    commands.add_parser("list", help="the supported ansible-core series")
    shown = commands.add_parser("show", help="what is changed in one series, and why")
    shown.add_argument("series", metavar="SERIES", help="for example 2.16")
    shown.add_argument("--diff", action="store_true", help="the lines that source patches change in the installed ansible-core")
    shown.add_argument("--release", metavar="RELEASE", help="the same in the text of another one: see verify")
    check = commands.add_parser(
        "verify",
        help="check every declaration against an ansible-core, and mitogen's functions; exit code 1 if mitopatch would step aside, "
        "2 if that cannot be told",
    )
    check.add_argument(
        "--release",
        metavar="RELEASE",
        help="instead of the installed one: a number (downloaded by pip, not installed), a wheel, an sdist or a directory",
    )
    commands.add_parser("doctor", help="a report to paste into an issue")
    run = commands.add_parser("run", help="run an Ansible command accelerated without mitopatch.pth: mitopatch run -- ansible-playbook ...")
    run.add_argument("argv", nargs=argparse.REMAINDER, metavar="-- CMD")
    trial = commands.add_parser("demo", help="a sample playbook on localhost, plain and through mitopatch: results compared, times shown")
    trial.add_argument("--hosts", type=int, default=3, help="inventory hosts, all with connection local (default 3)")
    trial.add_argument("--forks", type=int, default=5, help="as for ansible-playbook (default 5)")
    trial.add_argument("--repeat", type=int, default=1, help="runs of each kind, interleaved; medians are shown (default 1)")
    return parser


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """[cli] The entry point. Returns the exit code; `run` leaves with that of its command."""
    options = _parser().parse_args(arguments)
    if options.command == "run":
        return launch.run(options.argv[1:] if options.argv[:1] == ["--"] else options.argv)
    if options.command == "demo":
        return demo.run(options.hosts, options.forks, options.repeat)
    if options.command == "list":
        return _list()
    if options.command == "show":
        return _show(options.series, options.diff, options.release)
    if options.command == "verify":
        return verify.installed() if options.release is None else verify.of(options.release)
    lines = report.status if options.command == "status" else report.doctor
    for line in lines(report.Findings(), HOOKED):
        print(line)
    return 0
