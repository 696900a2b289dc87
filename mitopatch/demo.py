"""[cli] `mitopatch demo`: one sample playbook on localhost, plain and through mitopatch, results compared before times are shown."""

from __future__ import annotations

import hashlib
import os
import shutil
import statistics
import subprocess  # nosec B404 # the demonstration is two runs of ansible-playbook
import sys
import tempfile
import time
from typing import NamedTuple, Optional

from mitopatch.errors import Reason

FILES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "demo_files")
ARMS = {"plain": "off", "mitopatch": "on"}


class Outcome(NamedTuple):
    """[cli] What one run left behind: exit code, output lines without order, files on the "hosts", wall and CPU seconds."""

    code: int
    lines: tuple[str, ...]
    files: tuple[str, ...]
    wall: float
    cpu: float
    output: str


def _playbook_command() -> Optional[str]:
    beside = os.path.join(os.path.dirname(sys.executable), "ansible-playbook")
    return beside if os.access(beside, os.X_OK) else None


def _environment(folder: str, switch: str) -> dict[str, str]:
    # The user's own Ansible settings would make two runs differ from a third person's; only the folder's ansible.cfg counts.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "MITOPATCH"))}
    kept.update({name: value for name, value in os.environ.items() if name in ("MITOPATCH_WORKERS", "MITOPATCH_DEBUG")})
    # error: a run that could not be accelerated must not be timed as if it had been.
    kept.update(ANSIBLE_CONFIG=os.path.join(folder, "ansible.cfg"), ANSIBLE_NOCOLOR="1", MITOPATCH=switch, MITOPATCH_UNKNOWN="error")
    return kept


def _tree(folder: str) -> tuple[str, ...]:
    """Every file below the folder with mode and digest, in order."""
    found = []
    for base, _folders, names in os.walk(folder):
        for name in names:
            path = os.path.join(base, name)
            with open(path, "rb") as file:
                digest = hashlib.sha256(file.read()).hexdigest()
            found.append(f"{os.path.relpath(path, folder)} {os.stat(path).st_mode:o} {digest}")
    return tuple(sorted(found))


def _once(command: str, folder: str, switch: str, hosts: int, forks: int) -> Outcome:
    # The same path for every run, so that no text differs because of it.
    work = os.path.join(folder, "work")
    shutil.rmtree(work, ignore_errors=True)
    os.mkdir(work)
    with open(os.path.join(folder, "hosts"), "w", encoding="utf-8") as file:
        file.writelines(f"demo{number}\n" for number in range(1, hosts + 1))
        file.write(f"[all:vars]\nansible_connection=local\nansible_python_interpreter={sys.executable}\nwork={work}\n")
    before, begin = os.times(), time.monotonic()
    done = subprocess.run(  # noqa: S603 # nosec B603 # our own playbook with this environment's ansible-playbook
        [command, "-i", os.path.join(folder, "hosts"), "-f", str(forks), os.path.join(folder, "site.yml")],
        env=_environment(folder, switch),
        cwd=folder,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1800,
    )
    wall, after = time.monotonic() - begin, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    # Hosts answer in any order within a task: the lines are compared as a set with repetitions.
    return Outcome(done.returncode, tuple(sorted(done.stdout.splitlines())), _tree(work), wall, cpu, done.stdout)


def _difference(plain: Outcome, ours: Outcome) -> Optional[str]:
    if plain.code != ours.code:
        return f"exit code {plain.code} plain, {ours.code} through mitopatch"
    for what, first, second in (("output", plain.lines, ours.lines), ("files", plain.files, ours.files)):
        if first != second:
            only = sorted(set(first) ^ set(second))
            return f"{what}, for example: {only[0] if only else 'a line occurs more often'}"
    return None


def run(hosts: int, forks: int, repeat: int) -> int:
    """[cli] The exit code: 0 if all runs succeeded and agreed, also if mitopatch was the slower one."""
    command = _playbook_command()
    if command is None:
        problem = "it is not there; install ansible-core beside mitopatch"
        print(Reason("MP135", python=sys.executable, problem=problem).text, file=sys.stderr)
        return 1
    found: dict[str, list[Outcome]] = {arm: [] for arm in ARMS}
    with tempfile.TemporaryDirectory(prefix="mitopatch-demo-") as folder:
        shutil.copytree(FILES, folder, dirs_exist_ok=True)
        for _round in range(max(1, repeat)):
            for arm, switch in ARMS.items():
                print(f"running the sample playbook, {arm}, {hosts} hosts ...", flush=True)
                outcome = _once(command, folder, switch, max(1, hosts), forks)
                found[arm].append(outcome)
                if outcome.code:
                    print(outcome.output)
                    print(Reason("MP135", python=sys.executable, problem=f"the {arm} run ended with exit code {outcome.code}").text)
                    return 1
                difference = _difference(found["plain"][0], outcome)
                if difference:
                    print(Reason("MP134", problem=difference).text, file=sys.stderr)
                    return 1
    _show(found, hosts)
    return 0


def _show(found: dict[str, list[Outcome]], hosts: int) -> None:
    tasks = sum(line.startswith("TASK [") for line in found["plain"][0].lines)
    files = len(found["plain"][0].files)
    print(f"\n{tasks} tasks on {hosts} hosts; output, exit code and {files} files are the same in all runs.")
    print(f"{'':12}{'wall':>10}{'CPU':>10}")
    medians = {}
    for arm, outcomes in found.items():
        medians[arm] = statistics.median(outcome.wall for outcome in outcomes), statistics.median(outcome.cpu for outcome in outcomes)
        print(f"{arm:12}{medians[arm][0]:9.2f}s{medians[arm][1]:9.2f}s")
    wall, cpu = (medians["plain"][index] / max(medians["mitopatch"][index], 0.001) for index in (0, 1))
    print(f"{'ratio':12}{wall:9.2f}x{cpu:9.2f}x   (plain / mitopatch; below 1 means mitopatch was slower)")
    print("One machine, connection local: it says nothing about ssh, where the difference is another one.")
