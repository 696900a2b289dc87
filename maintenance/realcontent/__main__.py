"""[maintenance] Run a public role set on Debian chroots, plain and through mitopatch, and compare.

python -m maintenance.realcontent debops                  for real, on one target
python -m maintenance.realcontent debops --check          in check mode only
python -m maintenance.realcontent debops --steps check,real,check --hosts 4
python -m maintenance.realcontent debops --bench 1,4 --rounds 2 --arms plain,mitogen_linear,mitopatch
python -m maintenance.realcontent --page                  only writes the page, from the record

Needs root, debootstrap, and the role set in this environment (nox -s real installs it). Exit code 0 if nothing differs.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Optional

from maintenance.realcontent import arms, bench, differences, report, targets
from maintenance.realcontent.base import base
from maintenance.realcontent.contents import CONTENTS
from maintenance.realcontent.mirror import Mirror
from maintenance.realcontent.session import CACHE, Session

STEPS = ("check", "real")


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Hold the cache: its targets' addresses and directories are the same for every run."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SystemExit("real: another run uses .cache/realcontent") from None
        yield


def _end(number: int, _frame: Optional[FrameType]) -> None:
    raise SystemExit(128 + number)


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m maintenance.realcontent", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("content", choices=sorted(CONTENTS))
    parser.add_argument("--hosts", type=int, default=1)
    parser.add_argument("--check", action="store_true", help="the same as --steps check")
    steps = "runs on the same targets, one after the other: real, check (default: real; with --bench check)"
    parser.add_argument("--steps", help=steps)
    parser.add_argument("--bench", type=numbers, metavar="HOSTS", help="measure on 1,4,16 (say) clones of a target deployed once")
    parser.add_argument("--rounds", type=int, default=1, help="of --bench")
    more = "plain,plain asks whether plain agrees with itself; with --bench also mitogen_linear"
    parser.add_argument("--arms", default=",".join(arms.PAIR), help=more)
    parser.add_argument("--fresh", action="store_true", help="make the random seeds, or what is deployed, anew")
    parser.add_argument("--no-prepare", action="store_true", help="begin without them: for tags that make nothing at random")
    parser.add_argument("--again", action="store_true", help="run nothing: compare anew what the last run of these steps left")
    parser.add_argument("--kept", action="store_true", help="take the first arm from the last run of these steps")
    parser.add_argument("--no-report", action="store_true", help="leave docs/ as it is")
    parser.epilog = "What stands after -- are arguments for ansible-playbook."
    place = arguments.index("--") if "--" in arguments else len(arguments)
    options = parser.parse_args(arguments[:place])
    options.more = arguments[place + 1 :]
    options.steps = ["check"] if options.check else (options.steps or ("check" if options.bench else "real")).split(",")
    if set(options.steps) - set(STEPS):
        parser.error(f"--steps: of {', '.join(STEPS)}")
    return options


def numbers(text: str) -> list[int]:
    """Read numbers with commas between them."""
    return [int(number) for number in text.split(",")]


def compared(session: Session, left: list[arms.Step], right: list[arms.Step]) -> int:
    """Say where both arms differ, put it on the page, and return 0 if they agree."""
    found = [differences.of_step(one, other, session.content) for one, other in zip(left, right)]
    for number, (step, text) in enumerate(zip(session.options.steps, found)):
        (session.work / f"difference.{number}").write_text(text)
        print(f"{step}: {differences.summary(text)}" + (f", see {session.work}/difference.{number}" if text else ""))
    if not session.options.no_report and session.options.arms == ",".join(arms.PAIR):
        report.add(session.options, session.content, list(zip(left, right, found)))
    return 1 if any(found) else 0


def main() -> int:
    """Return 0 if both arms agree."""
    if sys.argv[1:] == ["--page"]:
        report.write()
        return 0
    options = parse(sys.argv[1:])
    targets.check_machine()
    # The context managers below clean up; a signal must let them.
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGHUP, _end)
    content = CONTENTS[options.content]
    content.playbook()
    first, second = options.arms.split(",")[:2] if not options.bench else arms.PAIR
    with alone():
        if options.again:
            session = Session(options, content, Mirror(CACHE / "mirror"), CACHE)
            return compared(session, session.kept(first), session.kept(second))
        targets.make_keys(CACHE / "keys")
        chroot = base(CACHE)
        mirror = Mirror(CACHE / "mirror")
        mirror.start()
        try:
            if options.bench:
                return bench.measure(options, content, mirror, chroot)
            session = Session(options, content, mirror, chroot)
            session.prepare()
            left, right = session.kept(first) if options.kept else session.arm(first), session.arm(second)
        finally:
            mirror.stop()
        return compared(session, left, right)


if __name__ == "__main__":
    sys.exit(main())
