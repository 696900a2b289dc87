"""[maintenance] The benchmark: a role set deployed once, its target cloned, and each arm run on the clones, in turns.

What is deployed stays below .cache/: the whole target, what is random, and what mitopatch remembers, as a second run finds it.
"""

from __future__ import annotations

import argparse
import datetime
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from maintenance.realcontent import arms, differences, report, targets
from maintenance.realcontent.contents import Content
from maintenance.realcontent.mirror import Mirror
from maintenance.realcontent.session import CACHE, Session

#: The layers are mounted in a namespace of its own, and copied as one.
SCRIPT = 'mount -t overlay -o "ro,lowerdir=$1" overlay "$2"; cp -a "$2/." "$3"'
LIMIT = 1200.0


@dataclass(frozen=True)
class Deployed:
    """A target on which the playbook has run, and what the run left on the controller."""

    place: Path

    @property
    def chroot(self) -> Path:
        """The whole file system of the target."""
        return self.place / "root"

    @property
    def seeds(self) -> Path:
        """What is random."""
        return self.place / "seeds"

    @property
    def cache(self) -> Path:
        """What mitopatch remembers."""
        return self.place / "cache"


def turns(rounds: int, names: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Return which arm runs when: the first one first, then there and back, so that none has always the same moment."""
    for number in range(rounds):
        for name in names if number % 2 == 0 else reversed(names):
            yield number, name


def for_clones(seeds: Path, names: Sequence[str]) -> None:
    """Give each clone what is the first target's: role sets keep it in directories that bear the target's name."""
    first, *others = names
    for path in [path for path in seeds.rglob(first) if path.is_dir()]:
        for name in others:
            if not path.with_name(name).exists():
                shutil.copytree(path, path.with_name(name), symlinks=True)


def deploy(session: Session) -> Deployed:
    """Run the playbook for real on one target, through mitopatch, and keep what came of it; do nothing if it is there."""
    found = Deployed(CACHE / f"deployed-{session.options.content}-{session.chroot.name}")
    if found.place.exists() and not session.options.fresh:
        return found
    session.prepare()
    shutil.rmtree(found.place, ignore_errors=True)
    growing = Deployed(found.place.with_name("deployed-new"))
    shutil.rmtree(growing.place, ignore_errors=True)
    growing.chroot.mkdir(parents=True)
    growing.seeds.mkdir()
    print("deploying: one run through mitopatch", flush=True)
    with session.fleet() as fleet:
        session.project(fleet, "mitopatch", session.seeds)
        project = session.work / "run"
        done, measured = arms.run(project, session.content, "mitopatch", False, session.options.more)
        print(f"deploying: exit code {done.rc}, {measured['wall']:.0f} s", flush=True)
        if done.rc:
            raise SystemExit(f"real: see {project}/stdout")
        for target in fleet.targets.values():
            target.stop()
            _copy([target.upper, session.chroot], target.directory / "outer", growing.chroot)
        (project / "cache").rename(growing.cache)
        for name in session.content.seeds:
            shutil.copytree(project / name, growing.seeds / name, symlinks=True)
    growing.place.rename(found.place)
    return found


def _copy(layers: Sequence[Path], place: Path, copy: Path) -> None:
    command = ["unshare", "--mount", "sh", "-ec", SCRIPT, "sh", ":".join(map(str, layers)), str(place), str(copy)]
    subprocess.run(command, check=True, timeout=LIMIT, stdin=subprocess.DEVNULL)


def measure(options: argparse.Namespace, content: Content, mirror: Mirror, chroot: Path) -> int:
    """Measure on each number of clones; put every run into the record at once; return 0 if mitopatch did what plain does."""
    deployed = deploy(Session(_with_hosts(options, 1), content, mirror, chroot))
    for_clones(deployed.seeds, list(targets.names(max(options.bench))))
    os.environ["MITOPATCH_CACHE"] = str(deployed.cache)
    wrong = 0
    for hosts in options.bench:
        session = Session(_with_hosts(options, hosts), content, mirror, deployed.chroot)
        session.seeds = deployed.seeds
        judge: list[arms.Step] = []
        began = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M")
        for number, arm in turns(options.rounds, options.arms.split(",")):
            steps = session.arm(arm)
            judge = judge or (steps if arm == "plain" else [])
            for place, (mode, step) in enumerate(zip(options.steps, steps)):
                text = differences.of_step(judge[place], step, content) if judge else None
                wrong += bool(text) and arm != arms.MITOGEN
                (session.work / f"difference.{arm}.{place}").write_text(text or "")
                if text:
                    print(f"{arm} {mode}: {differences.summary(text)}, see {session.work}/difference.{arm}.{place}", flush=True)
                report.add_run(options, content, report.run_of(hosts, arm, mode, f"{began} {number}", step, text))
    return 1 if wrong else 0


def _with_hosts(options: argparse.Namespace, hosts: int) -> argparse.Namespace:
    return argparse.Namespace(**{**vars(options), "hosts": hosts})
