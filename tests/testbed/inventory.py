"""Writes the inventory and the ansible.cfg of one run."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from .sshd import SshBed

PLUGINS = Path(__file__).parent / "plugins"


def interpreter() -> str:
    """Return a Python for the targets that every local user may run (a virtual environment of root's is not)."""
    return shutil.which("python3", path="/usr/bin:/usr/local/bin") or sys.executable


def host_names(count: int) -> list[str]:
    """Return h01, h02, ..."""
    return [f"h{number:02d}" for number in range(1, count + 1)]


def write_inventory(directory: Path, bed: SshBed, count: int, extra: dict[str, Any] | None = None, near: int = 0) -> Path:
    """Write hosts (ini): groups web and db under dc, `near` local ones, a host that refuses connections in group `gone`."""
    names = host_names(count)
    lines = []
    for name, address in zip(names, bed.addresses):
        lines.append(f"{name} ansible_host={address}")
    lines.append(f"h_gone ansible_host=127.0.0.1 ansible_port={bed.closed_port}")
    half = (count + 1) // 2
    lines += ["", "[web]", *names[:half], "", "[db]", *names[half:], "", "[dc:children]", "web", "db"]
    lines += ["", "[near]", *(f"n{number:02d} ansible_connection=local" for number in range(1, near + 1))]
    lines += ["", "[gone]", "h_gone", "", "[web:vars]", "port_base=8000", "", "[all:vars]"]
    options = (
        f"-F none -o UserKnownHostsFile={bed.known_hosts} -o GlobalKnownHostsFile=/dev/null "
        "-o IdentitiesOnly=yes -o IdentityAgent=none -o GSSAPIAuthentication=no"
    )
    values: dict[str, Any] = {
        "ansible_user": bed.user,
        "ansible_port": bed.port,
        "ansible_ssh_private_key_file": bed.key,
        "ansible_ssh_common_args": f"'{options}'",
        "ansible_python_interpreter": interpreter(),
        "ansible_remote_tmp": directory / "remote_tmp",
        "ansible_async_dir": directory / "async",
        "root": directory / "targets",
        "fetched": directory / "fetched",
        **(extra or {}),
    }
    lines += [f"{name}={value}" for name, value in values.items()]
    path = directory / "hosts"
    path.write_text("\n".join(lines) + "\n")
    # Beside the inventory, as users do; the other variables stand beside the playbook.
    (directory / "host_vars").mkdir()
    (directory / "host_vars" / "h01.yml").write_text("role_of_host: first\nports: [80, 443]\n")
    return path


def write_config(directory: Path, lines: dict[str, dict[str, Any]]) -> Path:
    """Write ansible.cfg; `lines` adds to or replaces what stands here, section by section."""
    sections: dict[str, dict[str, Any]] = {
        "defaults": {
            "inventory": directory / "hosts",
            "callback_plugins": PLUGINS / "callback",
            "callbacks_enabled": "eventlog",
            "local_tmp": directory / "local_tmp",
            "retry_files_enabled": False,
            "forks": 5,
            "timeout": 20,
            "nocows": True,
        },
        "ssh_connection": {
            "pipelining": True,
            "control_path_dir": directory / "cp",
            "ssh_args": "-C -o ControlMaster=auto -o ControlPersist=60s",
        },
    }
    for section, values in lines.items():
        sections.setdefault(section, {}).update(values)
    text = ""
    for section, values in sections.items():
        text += f"[{section}]\n" + "".join(f"{name} = {value}\n" for name, value in values.items()) + "\n"
    path = directory / "ansible.cfg"
    path.write_text(text)
    return path
