"""[maintenance] The runs of one role set, arm by arm, each on targets that have just begun."""

from __future__ import annotations

import argparse
import hashlib
import shutil
from pathlib import Path
from typing import Any

from maintenance.realcontent import arms, differences, digest, targets
from maintenance.realcontent.contents import Content
from maintenance.realcontent.mirror import Mirror

CACHE = arms.ROOT / ".cache/realcontent"


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
                self.project(fleet, "plain", Path("/nonexistent"))
                done, _ = arms.run(project, self.content, "plain", False, self.options.more)
            print(f"preparing: exit code {done.rc}, {done.wall:.0f} s", flush=True)
        shutil.rmtree(self.seeds, ignore_errors=True)
        self.seeds.mkdir()
        for name in self.content.seeds:
            if (project / name).exists():
                shutil.copytree(project / name, self.seeds / name, symlinks=True)
        self._keep("prepared")

    def arm(self, arm: str) -> list[arms.Step]:
        """All steps of one arm, one after the other on the same targets."""
        found = []
        with self.fleet() as fleet:
            self.project(fleet, arm, self.seeds)
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

    def kept(self, arm: str) -> list[arms.Step]:
        """What the last run of one arm left."""
        return [arms.Step.read(self.work / arm, number, self.work / "run") for number in range(len(self.options.steps))]

    def _changes(self, target: targets.Target) -> dict[str, str]:
        return digest.changes(target.upper, self.chroot, self.content.left_out, self.content.content_left_out)

    def project(self, fleet: targets.Fleet, arm: str, seeds: Path) -> None:
        """Make the project of one arm anew."""
        settings: dict[str, dict[str, Any]] = {}
        arms.new_project(self.work / "run", self.content, fleet, arm, seeds, settings)

    def _keep(self, name: str) -> None:
        shutil.rmtree(self.work / name, ignore_errors=True)
        (self.work / "run").rename(self.work / name)
