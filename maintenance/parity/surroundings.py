"""[maintenance] What ansible-test gives a target: environment, inventory, playbook. Pure: it writes a script for a sandbox.

Source: ansible_test/_internal: ansible_environment, integration_environment, intercept_python, run_setup_targets, command_integration_role.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import NamedTuple

from maintenance.parity import sandbox, targets

_ROOT = "/root/.parity"
_OUTPUT = f"{_ROOT}/output_dir"
_PLUGINS = ("action", "callback", "connection", "filter", "lookup", "strategy")


class Place(NamedTuple):
    """[maintenance] One release in one environment: ``package`` is the folder of its ``ansible``, ``tree`` the sdist's targets."""

    release: str
    python: str
    environment: Path
    package: Path
    tree: Path
    wheels: Path
    programs: Path
    packages: Path


def _injector(place: Place) -> Path:
    return place.package.parent / "ansible_test/_util/target/injector"


def environment(place: Place, its_aliases: tuple[str, ...], extra: dict[str, str]) -> dict[str, str]:
    """[maintenance] The variables for a target with these aliases; ``extra`` wins."""
    integration = place.tree.parent
    found = {
        "HOME": "/root",
        "LC_ALL": "C.UTF-8",
        "PATH": f"{place.environment}/bin:{_injector(place)}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "PAGER": "/bin/cat",
        "PYTHONPATH": f"{_ROOT}/lib",
        "OUTPUT_DIR": _OUTPUT,
        "INVENTORY_PATH": f"{integration}/inventory",
        "JUNIT_OUTPUT_DIR": f"{_ROOT}/junit",
        "JUNIT_REPLACE_OUT_OF_TREE_PATH": "out-of-tree:",
        "JUNIT_TASK_RELATIVE_PATH": str(integration.parents[1]),
        # There is no network: what targets install with pip comes from here.
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(place.wheels),
        "ANSIBLE_CALLBACKS_ENABLED": "junit",
        "ANSIBLE_CONFIG": f"{_ROOT}/ansible.cfg",
        "ANSIBLE_DEPRECATION_WARNINGS": "false",
        "ANSIBLE_DEVEL_WARNING": "false",
        "ANSIBLE_FORCE_COLOR": "false",
        "ANSIBLE_FORCE_HANDLERS": "true",
        "ANSIBLE_HOST_KEY_CHECKING": "false",
        "ANSIBLE_HOST_PATTERN_MISMATCH": "error",
        "ANSIBLE_INVENTORY": "/dev/null",
        "ANSIBLE_LIBRARY": "/dev/null",
        "ANSIBLE_PYTHON_INTERPRETER": "/set/ansible_python_interpreter/in/inventory",
        "ANSIBLE_PYTHON_MODULE_RLIMIT_NOFILE": "1024",
        "ANSIBLE_RETRY_FILES_ENABLED": "false",
        "ANSIBLE_WORKER_SHUTDOWN_POLL_COUNT": "100",
        "ANSIBLE_WORKER_SHUTDOWN_POLL_DELAY": "0.1",
        "ANSIBLE_TEST_ANSIBLE_LIB_ROOT": str(place.package),
        "ANSIBLE_TEST_ANSIBLE_VERSION": place.release,
        "ANSIBLE_TEST_CI": "",
        "ANSIBLE_TEST_COVERAGE": "",
        "ANSIBLE_TEST_PYTHON_INTERPRETER": f"{place.environment}/bin/python",
        "ANSIBLE_TEST_PYTHON_VERSION": place.python,
    }
    support = integration.parent / "support/integration"
    folders = {f"ANSIBLE_{kind.upper()}_PLUGINS": support / "plugins" / kind for kind in _PLUGINS}
    folders["ANSIBLE_LIBRARY"] = support / "plugins/modules"
    folders["ANSIBLE_MODULE_UTILS"] = support / "plugins/module_utils"
    folders["ANSIBLE_COLLECTIONS_PATH"] = support / "collections"
    found.update({name: str(folder) for name, folder in folders.items() if folder.is_dir()})
    return {**found, **targets.settings(its_aliases), **extra}


def inventory(place: Place, its_aliases: tuple[str, ...]) -> str:
    """[maintenance] The inventory for a target with these aliases: this machine, over ssh if it asks for that.

    Source: ansible_test/_internal/inventory.py, create_posix_inventory.
    """
    connection = "local"
    if "needs/ssh" in its_aliases:
        connection = f"ssh ansible_host=localhost ansible_port=22 ansible_user=root ansible_ssh_private_key_file={sandbox.KEY}"
    python = f"{place.environment}/bin/python"
    return f"[testgroup]\ntesthost ansible_connection={connection} ansible_pipelining=yes ansible_python_interpreter={python}"


def script(place: Place, target: str, extra: dict[str, str]) -> str:
    """[maintenance] The script that runs a target in a sandbox, the targets that set things up for it first."""
    its_inventory = inventory(place, targets.aliases_of(place.tree / target))
    lines = [
        "set -e",
        "rm -rf /nonexistent",  # targets name it as a path that is not there
        f'for package in {shlex.quote(str(place.programs))}/*.deb; do [ ! -e "$package" ] || dpkg -x "$package" /opt/programs; done',
        "[ ! -d /opt/programs ] || find /opt/programs -path '*/bin/*' -exec cp -t /usr/bin {} +",
        f"cp {shlex.quote(str(place.packages))}/*.deb /var/cache/apt/archives || :",  # where apt-get finds them without a network
        sandbox.INIT,
        sandbox.SSHD,
        f"ln -s {shlex.quote(str(place.environment))}/bin/ansible* /usr/local/bin || :",  # for commands over ssh: they get sshd's PATH
        f"mkdir -p {_ROOT}/lib",
        # Targets call its scripts; ansible-test gives its own copy of them an interpreter and the right to be run.
        f"sed -i '1s|.*auto-shebang.*|#!{place.environment}/bin/python|' {shlex.quote(str(_injector(place)))}/*.py || :",
        f"chmod +x {shlex.quote(str(_injector(place)))}/*.py || :",
        f"ln -s {shlex.quote(str(place.package))} {_ROOT}/lib/ansible",
        f"touch {_ROOT}/ansible.cfg",
        f"printf '%s\\n' {shlex.quote(its_inventory)} > {shlex.quote(str(place.tree.parent / 'inventory'))}",
    ]
    for name in (*targets.setups(targets.aliases_of(place.tree / target)), target):
        lines += _one(place, name, extra)
    return "\n".join(lines)


def _one(place: Place, target: str, extra: dict[str, str]) -> list[str]:
    folder = place.tree / target
    its_aliases = targets.aliases_of(folder)
    variables = environment(place, its_aliases, extra)
    lines = [f"rm -rf {_OUTPUT}", f"mkdir {_OUTPUT}"]
    # Upstream's test containers have this locale; made only for those who speak of it, since it takes a second.
    lines.append(f"! grep -rqs en_US.UTF-8 {shlex.quote(str(folder))} || localedef -i en_US -f UTF-8 en_US.UTF-8 || :")
    syslog = f"{shlex.quote(str(place.environment))}/bin/python -c {shlex.quote(sandbox.SYSLOG)}"
    lines.append(f"! grep -rqs /var/log/syslog {shlex.quote(str(folder))} || [ -e /dev/log ] || {syslog}")
    if (folder / "runme.sh").is_file():
        directory, command = folder, "./runme.sh -v"
    else:
        directory, playbook = place.tree.parent, f"{target}-parity.yml"
        gather = "gather_facts/no" not in its_aliases
        play = {"hosts": "testhost", "gather_facts": gather, "vars": {"output_dir": _OUTPUT}, "roles": [target]}
        lines.append(f"printf '%s\\n' {shlex.quote(json.dumps([play]))} > {shlex.quote(str(directory / playbook))}")
        command = f"ansible-playbook {playbook} -i inventory -v"
        variables["ANSIBLE_ROLES_PATH"] = str(place.tree)
    variables["ANSIBLE_PLAYBOOK_DIR"] = str(directory)
    # A target's own collection: ansible_test._internal.commands.integration.get_collection_roots_needed (2.20 on).
    if (folder / "ansible_collections/ansible_test" / target.replace("-", "_")).is_dir():
        roots = [variables.get("ANSIBLE_COLLECTIONS_PATH", ""), str(folder)]
        variables["ANSIBLE_COLLECTIONS_PATH"] = ":".join(root for root in roots if root)
    exports = " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())
    lines.append(f"cd {shlex.quote(str(directory))}; env -i {exports} bash -c {shlex.quote(command)}")
    return lines
