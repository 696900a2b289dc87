"""[maintenance] Asks whether a known vulnerability is in what is installed here, and names what could not be checked.

python -m maintenance.audit                  exit code 1: a vulnerability is known; 2: something was not checked; 0: neither
python -m maintenance.audit --if-possible    2 becomes 0; the report is the same

pip-audit says "No known vulnerabilities found" of a package that its service does not know, and ends with 0. So a service counts
only if it knows the vulnerability of `CONTROL`, and what no such service knows is reported as not checked.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, Optional

#: Asked of each service first: a package and release with a vulnerability that has been published for years (CVE-2020-28493).
CONTROL = "jinja2==2.11.2"
SERVICES = ("pypi", "osv")
#: Seconds for one call of pip-audit.
LIMIT = 600.0
#: This project is in no database under the version of a checkout.
OURSELVES = "mitopatch"

NOTHING_INSTALLED = "NOT CHECKED: pip-audit named no package."
CHECKED = "{count} packages checked ({services}), no vulnerability is known."
VULNERABLE = "VULNERABLE: {name}: {ids}"
NOT_CHECKED = "NOT CHECKED: {name}: {why}"


class Answer(NamedTuple):
    """[maintenance] What one service says: for each package that it knows the ids of vulnerabilities, for each other one a reason."""

    vulnerabilities: dict[str, list[str]]
    unknown: dict[str, str]


Ask = Callable[[str, Optional[str]], Answer]


def parse(text: str) -> Answer:
    """[maintenance] Return the answer in pip-audit's JSON. Raises ValueError if it is none."""
    vulnerabilities: dict[str, list[str]] = {}
    unknown: dict[str, str] = {}
    document = json.loads(text)
    if not isinstance(document, dict) or not isinstance(document.get("dependencies"), list):
        raise ValueError("pip-audit's answer names no packages")
    for package in document["dependencies"]:
        if "skip_reason" in package:
            unknown[package["name"]] = package["skip_reason"]
        else:
            vulnerabilities[f"{package['name']} {package['version']}"] = [found["id"] for found in package["vulns"]]
    return Answer(vulnerabilities, unknown)


def ask(service: str, requirement: Optional[str]) -> Answer:
    """[maintenance] Ask a service about one requirement, or about what is installed here. Raises OSError with the reason if it fails."""
    command = [sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off", "--vulnerability-service", service]
    with tempfile.TemporaryDirectory() as folder:
        if requirement:
            path = Path(folder) / "requirements.txt"
            path.write_text(requirement + "\n", encoding="utf-8")
            command += ["--requirement", str(path), "--no-deps", "--disable-pip"]
        try:
            done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=LIMIT, stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired as error:
            raise OSError(f"no answer within {LIMIT:.0f} s") from error
    try:
        return parse(done.stdout)
    except (ValueError, KeyError, TypeError) as error:
        complaints = [line for line in done.stderr.splitlines() if line.strip()]
        raise OSError(complaints[-1] if complaints else str(error)) from error


def survey(services: Iterable[str] = SERVICES, ask: Ask = ask) -> tuple[list[str], dict[str, list[str]], dict[str, str]]:
    """[maintenance] Ask every service; return those that can be trusted, what they know, and why the rest is not checked."""
    trusted: list[str] = []
    vulnerabilities: dict[str, list[str]] = {}
    unknown: dict[str, list[str]] = {}
    for service in services:
        try:
            control = ask(service, CONTROL)
            if not any(control.vulnerabilities.values()):
                why = next(iter(control.unknown.values()), "it knows the package, and no vulnerability of it")
                raise OSError(f"it does not name the vulnerability of {CONTROL} ({why})")
            answer = ask(service, None)
        except OSError as error:
            unknown.setdefault(f"the service {service}", []).append(str(error))
            continue
        trusted.append(service)
        for name, ids in answer.vulnerabilities.items():
            vulnerabilities[name] = sorted({*vulnerabilities.get(name, ()), *ids})
        for name, why in answer.unknown.items():
            unknown.setdefault(name, []).append(why)
    checked = {name.partition(" ")[0] for name in vulnerabilities}
    reasons = {name: "; ".join(why) for name, why in unknown.items() if name not in checked and name != OURSELVES}
    if trusted:
        # One service is enough.
        reasons = {name: why for name, why in reasons.items() if not name.startswith("the service ")}
    return trusted, vulnerabilities, reasons


def report(trusted: list[str], vulnerabilities: Mapping[str, list[str]], unknown: Mapping[str, str]) -> tuple[int, list[str]]:
    """[maintenance] Return the exit code and the lines of the report."""
    lines = [VULNERABLE.format(name=name, ids=", ".join(ids)) for name, ids in sorted(vulnerabilities.items()) if ids]
    code = 1 if lines else 0
    lines += [NOT_CHECKED.format(name=name, why=why) for name, why in sorted(unknown.items())]
    if not vulnerabilities and not unknown:
        lines.append(NOTHING_INSTALLED)
    if not code and (unknown or not vulnerabilities):
        code = 2
    if not code:
        lines.append(CHECKED.format(count=len(vulnerabilities), services=", ".join(trusted)))
    return code, lines


def main(arguments: Optional[list[str]] = None) -> int:
    """[maintenance] The command."""
    parser = argparse.ArgumentParser(prog="python -m maintenance.audit", description="Ask for known vulnerabilities of what is installed.")
    parser.add_argument("--if-possible", action="store_true", help="end with 0 where something cannot be checked, and say so")
    options = parser.parse_args(arguments)
    code, lines = report(*survey())
    print("\n".join(lines))
    return 0 if code == 2 and options.if_possible else code


if __name__ == "__main__":
    sys.exit(main())
