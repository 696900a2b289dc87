"""[maintenance] Run a public role set on Debian chroots, plain and through mitopatch, and compare.

python -m maintenance.realcontent debops                  for real, on one target
python -m maintenance.realcontent debops --check          in check mode only
python -m maintenance.realcontent debops --steps check,real,check --hosts 4
python -m maintenance.realcontent --page                  only writes the page, from the record

Needs root, debootstrap, and the role set in this environment (nox -s real installs it). Exit code 0 if nothing differs.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, Optional, get_args

from maintenance.realcontent import arms, differences, digest, report, targets
from maintenance.realcontent.base import base
from maintenance.realcontent.contents import CONTENTS, Content
from maintenance.realcontent.mirror import Mirror

CACHE = arms.ROOT / ".cache/realcontent"
STEPS = ("check", "real")


class Session:
    """Both arms of one role set; the directory `run` is the project of the arm that runs, renamed after it."""

    def __init__(self, options: argparse.Namespace, content: Content, mirror: Mirror, chroot: Path) -> None:
        self.options, self.content, self.mirror, self.chroot = options, content, mirror, chroot
        self.port = targets.free_port()
        self.work = CACHE / "work"
        more = [hashlib.sha256(repr(options.more).encode()).hexdigest()[:8]] if options.more else []
        self.seeds = CACHE / "-".join(["seeds", options.content, str(options.hosts), *more])

    def fleet(self) -> targets.Fleet:
        """Fresh targets."""
        return targets.Fleet(CACHE / "fleet", self.chroot, CACHE / "keys", self.options.hosts, self.port, self.mirror.port)

    def prepare(self) -> None:
        """Make what is random, if there is none yet: as the role set's documentation says, or by one plain run."""
        if not self.content.seeds or self.options.no_prepare or (self.seeds.exists() and not self.options.fresh):
            return
        project = self.work / "run"
        if self.content.sow is not None:
            shutil.rmtree(project, ignore_errors=True)
            project.mkdir(parents=True)
            self.content.sow(project)
        else:
            print("preparing: one plain run", flush=True)
            with self.fleet() as fleet:
                self._project(fleet, "plain", Path("/nonexistent"))
                done, _ = arms.run(project, self.content, "plain", False, self.options.more)
            print(f"preparing: exit code {done.rc}, {done.wall:.0f} s", flush=True)
        shutil.rmtree(self.seeds, ignore_errors=True)
        self.seeds.mkdir()
        for name in self.content.seeds:
            if (project / name).exists():
                shutil.copytree(project / name, self.seeds / name, symlinks=True)
        self._keep("prepared")

    def arm(self, arm: arms.Arm) -> list[arms.Step]:
        """All steps of one arm, one after the other on the same targets."""
        found = []
        with self.fleet() as fleet:
            self._project(fleet, arm, self.seeds)
            for number, step in enumerate(self.options.steps):
                run, measured = arms.run(self.work / "run", self.content, arm, step == "check", self.options.more)
                files = {name: self._changes(target) for name, target in fleet.targets.items()}
                files["controller"] = differences.project(self.work / "run")
                found.append(arms.Step(run, files, measured))
                found[-1].write(self.work / "run", number)
                print(f"{arm} {step}: exit code {run.rc}, {measured['wall']:.0f} s, CPU {differences.cpu(measured):.0f} s", flush=True)
            for name, target in fleet.targets.items():
                digest.keep(target.upper, found[-1].files[name], self.work / "run" / "changed" / name)
        self._keep(arm)
        return found

    def kept(self, arm: arms.Arm) -> list[arms.Step]:
        """What the last run of one arm left."""
        return [arms.Step.read(self.work / arm, number, self.work / "run") for number in range(len(self.options.steps))]

    def _changes(self, target: targets.Target) -> dict[str, str]:
        return digest.changes(target.upper, self.chroot, self.content.left_out, self.content.content_left_out)

    def _project(self, fleet: targets.Fleet, arm: arms.Arm, seeds: Path) -> None:
        settings: dict[str, dict[str, Any]] = {}
        arms.new_project(self.work / "run", self.content, fleet, arm, seeds, settings)

    def _keep(self, name: str) -> None:
        shutil.rmtree(self.work / name, ignore_errors=True)
        (self.work / "run").rename(self.work / name)


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
    parser.add_argument("--steps", default="real", help="runs on the same targets, one after the other: real, check (default: real)")
    parser.add_argument("--arms", default=",".join(get_args(arms.Arm)), help="plain,plain asks whether plain agrees with itself")
    parser.add_argument("--fresh", action="store_true", help="make the random seeds anew")
    parser.add_argument("--no-prepare", action="store_true", help="begin without them: for tags that make nothing at random")
    parser.add_argument("--again", action="store_true", help="run nothing: compare anew what the last run of these steps left")
    parser.add_argument("--kept", action="store_true", help="take the first arm from the last run of these steps")
    parser.add_argument("--no-report", action="store_true", help="leave docs/ as it is")
    parser.epilog = "What stands after -- are arguments for ansible-playbook."
    place = arguments.index("--") if "--" in arguments else len(arguments)
    options = parser.parse_args(arguments[:place])
    options.more = arguments[place + 1 :]
    options.steps = ["check"] if options.check else options.steps.split(",")
    if set(options.steps) - set(STEPS):
        parser.error(f"--steps: of {', '.join(STEPS)}")
    return options


def compared(session: Session, left: list[arms.Step], right: list[arms.Step]) -> int:
    """Say where both arms differ, put it on the page, and return 0 if they agree."""
    found = [differences.of_step(one, other, session.content) for one, other in zip(left, right)]
    for number, (step, text) in enumerate(zip(session.options.steps, found)):
        (session.work / f"difference.{number}").write_text(text)
        print(f"{step}: {differences.summary(text)}" + (f", see {session.work}/difference.{number}" if text else ""))
    if not session.options.no_report and session.options.arms == ",".join(get_args(arms.Arm)):
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
    first, second = options.arms.split(",")
    with alone():
        if options.again:
            session = Session(options, content, Mirror(CACHE / "mirror"), CACHE)
            return compared(session, session.kept(first), session.kept(second))
        targets.make_keys(CACHE / "keys")
        chroot = base(CACHE)
        mirror = Mirror(CACHE / "mirror")
        mirror.start()
        try:
            session = Session(options, content, mirror, chroot)
            session.prepare()
            left, right = session.kept(first) if options.kept else session.arm(first), session.arm(second)
        finally:
            mirror.stop()
        return compared(session, left, right)


if __name__ == "__main__":
    sys.exit(main())
