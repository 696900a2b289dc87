"""[maintenance] The whole matrix: every supported release in an environment of its own, and the two files that say what came of it.

    python -m maintenance.matrix                  every release, and the newest of each series on its other Pythons
    python -m maintenance.matrix --only 2.16      a part of it; 2.16.7 and core2.16.7-py312 serve as well
    python -m maintenance.matrix --report         write the files from the results that are there

What one environment does stands in tox.ini: tox makes it (packages come from uv's or pip's cache) and runs it, several at a
time. A result is kept in .cache/matrix under the digest of the sources, so that a run that was interrupted goes on where it
was, and a change of the package or of these tests starts over; so does --fresh. A failure is kept like a pass: --fresh --only NAME
runs it again. The files, docs/compatibility.md and .json, are written from all results of the same digest at hand; a release
without one is listed as not run.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import datetime
import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET  # nosec B405 # reads what pytest wrote a moment ago
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Optional

from maintenance import compatibility, environments
from mitopatch.versions import SUPPORTED

ROOT = Path(__file__).parent.parent
CACHE = ROOT / ".cache" / "matrix"
# What a result depends on, besides ansible-core and the interpreter: the package, and what is run on it.
SOURCES = (
    *("mitopatch", "patches", "mitopatch.pth", "mitopatch_autoload.py", "hatch_build.py", "pyproject.toml"),
    *("tests/matrix", "tests/testbed", "tests/playbooks", "tests/bundle", "tests/conftest.py"),
    *("tox.ini", "toxfile.py", "maintenance/environments.py"),
)
TIMEOUT = 900.0
NEEDED = {"sshd": "openssh-server", "ssh": "openssh-client", "sudo": "sudo"}
CUT_OFF = "cut off"
ABOUT = """
import importlib.metadata, json, platform
print(json.dumps({"interpreter": platform.python_version(), "mitogen": importlib.metadata.version("mitogen")}))
"""


def digest() -> str:
    """[maintenance] One word for the state of the sources."""
    total = hashlib.sha256()
    for name in SOURCES:
        path = ROOT / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                total.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes() + b"\0")
    return total.hexdigest()[:16]


def wanted(only: Sequence[str]) -> list[environments.Environment]:
    """[maintenance] The environments of the matrix, oldest first; ``only`` names series, releases or environments."""
    labels = environments.labels()
    names = [name for row in SUPPORTED for name in labels[row.series]] + labels["pythons"]
    known = [one for one in map(environments.environment, names) if one is not None]
    missing = [word for word in only if not any(_meant(one, word) for one in known)]
    if missing:
        raise SystemExit(f"nothing in the matrix is called {', '.join(missing)}")
    return [one for one in known if not only or any(_meant(one, word) for word in only)]


def _meant(one: environments.Environment, word: str) -> bool:
    return word in (one.row.series, one.release, one.name)


def kept(one: environments.Environment, state: str) -> Optional[dict[str, Any]]:
    """[maintenance] The result of an earlier run on the same sources, or None."""
    try:
        found: dict[str, Any] = json.loads((CACHE / state / f"{one.name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found


class Runner:
    """[maintenance] Runs environments one by one or side by side; ends what it has started when it is interrupted."""

    def __init__(self, state: str, timeout: float) -> None:
        self.folder = CACHE / state
        self.timeout = timeout
        self.folder.mkdir(parents=True, exist_ok=True)
        self.running: set[subprocess.Popen[str]] = set()
        self.stopped = False
        self.wheel = self._wheel()

    def _wheel(self) -> Path:
        # Built once: 158 environments that build it anew would spend more time on that than on Ansible.
        folder = self.folder / "wheel"
        shutil.rmtree(folder, ignore_errors=True)
        code, output = self._python("build", "--wheel", "--outdir", str(folder), str(ROOT))
        if code:
            raise SystemExit(output)
        return next(folder.glob("*.whl"))

    def _python(self, module: str, *arguments: str) -> tuple[int, str]:
        # Interpreters are taken from this machine, not fetched. A group of its own, so that it can be ended with all below it.
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env={**os.environ, "UV_PYTHON_DOWNLOADS": "never"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self.running.add(process)
        try:
            output = process.communicate(timeout=self.timeout)[0]
        except subprocess.TimeoutExpired:
            # A result, and not something that was cut off: hence no signal as the code.
            return 1, f"{_end(process)}\nno end after {self.timeout:.0f} s"
        finally:
            self.running.discard(process)
        return process.returncode, output

    def stop(self) -> None:
        """[maintenance] End every environment that is under way; what it looks like then is not a result."""
        self.stopped = True
        for process in list(self.running):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)

    def run(self, one: environments.Environment) -> dict[str, Any]:
        """[maintenance] Run one environment and keep its result; the environment itself stays only where it failed."""
        xml = self.folder / f"{one.name}.xml"
        xml.unlink(missing_ok=True)
        began = time.monotonic()
        options = ["--workdir", str(CACHE / "tox"), "--installpkg", str(self.wheel), "--skip-missing-interpreters", "true"]
        # The default of tox.ini, said again: arguments of our own replace it.
        tests = [*shlex.split(environments.SHORT), f"--junitxml={xml}"]
        code, output = self._python("tox", "run", "-e", one.name, *options, "--", *tests)
        if self.stopped:
            raise KeyboardInterrupt
        if code < 0:
            # tox answers every failure of its own or of the tests with an exit code: this says nothing about the release.
            return {"python": one.python, "result": CUT_OFF, "why": f"tox was killed by signal {-code}", "seconds": 0}
        found = {
            "release": one.release,
            "python": one.python,
            "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
            **outcome(one.name, code, output, xml),
            "seconds": round(time.monotonic() - began, 1),
        }
        if found["result"] != "skipped":
            found.update(_about(one))
        if found["result"] == "failed":
            found.update(self._aside(one))
        (self.folder / f"{one.name}.log").write_text(output, encoding="utf-8")
        _write(self.folder / f"{one.name}.json", json.dumps(found, indent=1) + "\n")
        if found["result"] != "failed":
            shutil.rmtree(CACHE / "tox" / one.name, ignore_errors=True)
        return found

    def _aside(self, one: environments.Environment) -> dict[str, Any]:
        """Stepping aside is a promise too: Ansible runs, and one warning with a code says that it runs plain."""
        ansible = CACHE / "tox" / one.name / "bin" / "ansible"
        if not ansible.exists():
            return {}
        done = subprocess.run(
            [str(ansible), "localhost", "-m", "ping"],
            env={"PATH": os.environ.get("PATH", ""), "HOME": str(self.folder), "LC_ALL": "C.UTF-8", "MITOPATCH": "on", "COLUMNS": "1000"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        codes = re.findall(r"\bMP1\d\d\b", done.stderr)
        return {"result": "steps aside", "code": codes[0]} if done.returncode == 0 and len(codes) == 1 else {}


def _end(process: subprocess.Popen[str]) -> str:
    """Ask first: tests that are interrupted end the playbooks they have started."""
    os.killpg(process.pid, signal.SIGINT)
    try:
        return process.communicate(timeout=30)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.communicate()[0]


def _about(one: environments.Environment) -> dict[str, Any]:
    python = CACHE / "tox" / one.name / "bin" / "python"
    done = subprocess.run([str(python), "-c", ABOUT], capture_output=True, text=True, timeout=60, check=False) if python.exists() else None
    found: dict[str, Any] = {} if done is None or done.returncode else json.loads(done.stdout)
    return found


def _write(path: Path, text: str) -> None:
    part = path.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def outcome(name: str, code: int, output: str, xml: Path) -> dict[str, Any]:
    """[maintenance] What tox's exit code, its output and pytest's report say together. Without a report nothing has passed."""
    if re.search(rf"(?m)^ *{re.escape(name)}: SKIP", output):
        return {"result": "skipped", "tests": 0, "why": "this Python is not on the machine"}
    try:
        suite = next(iter(ET.parse(xml).getroot().iter("testsuite")))  # noqa: S314 # nosec B314 # pytest wrote it a moment ago
    except (OSError, ET.ParseError, StopIteration):
        return {"result": "failed", "tests": 0, "why": _last_words(output)}
    counts = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
    bad = counts["failures"] + counts["errors"]
    if code or bad or counts["skipped"] or not counts["tests"]:
        # A skipped test is something that was not proved: not a pass here.
        return {"result": "failed", "tests": counts["tests"], "why": "; ".join(_troubles(suite)) or _last_words(output)}
    return {"result": "passed", "tests": counts["tests"]}


def _troubles(suite: ET.Element) -> Iterator[str]:
    for case in suite.iter("testcase"):
        for child in case:
            if child.tag in ("failure", "error", "skipped"):
                yield f"{case.get('name')} {child.tag}"


def _last_words(output: str) -> str:
    lines = [line for line in output.splitlines() if re.match(r"(FAILED|ERROR|no end after|E  )", line)]
    return (lines or output.splitlines() or ["no output"])[-1][:200]


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """[maintenance] The command. Returns 1 if a release failed or was cut off."""
    parser = argparse.ArgumentParser(prog="maintenance.matrix", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", default=[], metavar="NAME")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="environments side by side (default: one a core)")
    parser.add_argument("--timeout", type=float, default=TIMEOUT, help=f"seconds for one environment (default {TIMEOUT:.0f})")
    parser.add_argument("--fresh", action="store_true", help="run also what has a result")
    parser.add_argument("--report", action="store_true", help="run nothing, write the files")
    options = parser.parse_args(arguments)
    # A shell that starts us in the background has SIGINT ignored, and every test below would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    state = digest()
    chosen = wanted(options.only)
    cut: list[str] = []
    if not options.report:
        # An interpreter may have come since.
        done = {one for one in chosen if (kept(one, state) or {"result": "skipped"})["result"] != "skipped"}
        cut = _run(chosen if options.fresh else [one for one in chosen if one not in done], options, state)
    results = {one.name: kept(one, state) for one in wanted([])}
    compatibility.write(ROOT / "docs", state, results)
    failed = [name for name, found in results.items() if found and found["result"] == "failed"]
    print(f"{sum(found is not None for found in results.values())} of {len(results)} have a result, failed: {', '.join(failed) or 'none'}")
    if cut:
        print(f"killed from outside, to be run again: {', '.join(cut)}")
    return int(bool(failed or cut))


def _run(todo: Sequence[environments.Environment], options: argparse.Namespace, state: str) -> list[str]:
    """Run these; return the names of those that somebody else killed, which have no result."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = [package for name, package in NEEDED.items() if shutil.which(name, path=path) is None]
    if missing:
        raise SystemExit(f"the matrix needs {', '.join(missing)}: without them a part of it would not be proved")
    cut: list[str] = []
    if not todo:
        return cut
    # The ends of each series first: what is wrong with a series shows there soonest.
    ends = {release for row in SUPPORTED for release in (row.newest, row.oldest)}
    todo = sorted(todo, key=lambda one: one.release not in ends)
    runner = Runner(state, options.timeout)
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        waiting = {pool.submit(runner.run, one): one for one in todo}
        try:
            for number, future in enumerate(concurrent.futures.as_completed(waiting), 1):
                found = future.result()
                cut += [waiting[future].name] if found["result"] == CUT_OFF else []
                words = [found["result"], found.get("code", ""), f"{found['seconds']} s", found.get("why", "")]
                print(f"{number}/{len(todo)} {waiting[future].name} (Python {found['python']}):", *filter(None, words), flush=True)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            runner.stop()
            raise
    return cut


if __name__ == "__main__":
    sys.exit(main())
