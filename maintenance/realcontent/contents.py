"""[maintenance] The role sets: what pip installs, which playbook of it runs, on which inventory, and what they make at random."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Optional

PLAYBOOKS = Path(__file__).with_name("playbooks")


def package(name: str) -> Path:
    """Return the directory of an installed package, which is not imported."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"real: {name} is not installed in this environment")
    return Path(next(iter(spec.submodule_search_locations)))


@dataclass(frozen=True)
class Content:
    """A role set and how to run it on a fresh Debian."""

    requirements: tuple[str, ...]
    about: str
    playbook: Callable[[], Path]
    #: Text of the inventory; a line that says TARGETS becomes one for each target.
    inventory: Callable[[], str]
    #: Sections and lines of ansible.cfg.
    config: Callable[[], Mapping[str, Mapping[str, Any]]] = dict
    #: Variables of all hosts.
    variables: Mapping[str, Any] = field(default_factory=dict)
    #: Further arguments; they may name files of the project.
    args: tuple[str, ...] = ()
    #: Directories of the project with what is random (passwords, keys): both arms begin with what the first run left.
    seeds: tuple[str, ...] = ()
    #: Makes them as the role set's documentation says; without it one plain run does.
    sow: Optional[Callable[[Path], None]] = None
    #: As in digest.py: what of the targets and the project is not compared, and what is but for its content.
    left_out: Mapping[str, str] = field(default_factory=dict)
    content_left_out: Mapping[str, str] = field(default_factory=dict)
    #: Text of events and output that is another in every run, plain ones too.
    text_left_out: Mapping[str, str] = field(default_factory=dict)
    #: Packages of which the report names the version.
    versions: tuple[str, ...] = ()

    def write_project(self, directory: Path, hosts: Mapping[str, Mapping[str, Any]]) -> None:
        """Write the inventory and the variables of a project for these hosts."""
        inventory = directory / "inventory"
        (inventory / "group_vars").mkdir(parents=True)
        lines: list[str] = []
        for line in self.inventory().splitlines():
            lines += list(hosts) if line.strip() == "TARGETS" else [line]
        (inventory / "hosts").write_text("\n".join(lines) + "\n")
        (inventory / "host_vars").mkdir()
        for name, values in hosts.items():
            text = json.dumps({key: str(value) for key, value in values.items()}, indent=1)
            (inventory / "host_vars" / f"{name}.json").write_text(text + "\n")
        (inventory / "group_vars/all.json").write_text(json.dumps(dict(self.variables), indent=1) + "\n")


def _debops() -> Path:
    return package("debops") / "_data/ansible/collections"


def _kolla() -> Path:
    # Its wheel puts the roles below share/ of the environment.
    return Path(sys.prefix) / "share/kolla-ansible"


def _kolla_inventory() -> str:
    text = (_kolla() / "ansible/inventory/all-in-one").read_text()
    before, mark, after = text.partition("[deployment]")
    lines = ["TARGETS" if line.startswith("localhost") else line for line in before.splitlines()]
    return "\n".join(lines) + "\n" + mark + after


def _kolla_passwords(project: Path) -> None:
    (project / "etc").mkdir()
    passwords = project / "etc/passwords.yml"
    shutil.copy(_kolla() / "etc_examples/kolla/passwords.yml", passwords)
    program = Path(sys.executable).parent / "kolla-genpwd"
    subprocess.run([str(program), "-p", str(passwords)], check=True, timeout=120, stdin=subprocess.DEVNULL)


#: Services of OpenStack whose configuration is made beside that of the default ones; none of them is started.
KOLLA_SERVICES = ("aodh", "barbican", "etcd", "grafana", "horizon", "magnum", "opensearch", "prometheus", "valkey")


CONTENTS = {
    "debops": Content(
        requirements=("debops", "netaddr<1", "dnspython", "passlib", "pyopenssl"),
        about="DebOps' common.yml, the layer that every host of a DebOps network gets",
        playbook=lambda: _debops() / "ansible_collections/debops/debops/playbooks/common.yml",
        inventory=lambda: "[debops_all_hosts]\nTARGETS",
        config=lambda: {"defaults": {"collections_path": _debops()}},
        # ACME is cloned from elsewhere; a chroot cannot mount /proc anew, and has no journal to seal.
        variables={
            "pki_acme": False,
            "proc_hidepid__enabled": False,
            "journald__fss_enabled": False,
            # Drawn at random by each run if they are not set.
            "cron__crontab_offset_seeds": [f"seed{number}" for number in range(12)],
            "atd_batch_load": "1.6",
            "atd_batch_interval": "60",
        },
        seeds=("secret",),
        content_left_out={
            r"etc/pki/realms/.*": "keys and certificates made on the target",
            r"(.*/)?secret/pki/.*": "on the controller: requests for certificates made with these keys, and what is signed for them",
            r"etc/ssl/(certs|private)/ssl-cert-snakeoil\..*": "a key made on the target",
            r"root/\.(gnupg/.*|ssh/id_.*)": "keys made on the target",
            r"var/lib/apt/listchanges\.db": "clock",
        },
        left_out={r"var/spool/cron/atjobs/.*": "named by the minute"},
        text_left_out={
            r"(?<=\[master )[0-9a-f]{7,}(?=\])": "etckeeper: commits of this moment",
            r"(?<=^/tmp/)at\w{8}$": "the module `at`: a temporary file",
            r"^[0-9a-f]{64}$": "pki: a token drawn at random for each run",
            r"(?<=ssh-ed25519 )\S+(?= root@\w+ generated by Ansible)": "a key made on the target",
            r"(?<=SHA256:)\S+(?= root@\w+ generated by Ansible)": "its fingerprint",
        },
        versions=("debops",),
    ),
    "kolla": Content(
        # passlib, which hashes Prometheus' password, asks bcrypt for what 5 refuses.
        requirements=("kolla-ansible", "bcrypt<5"),
        about="kolla-ansible's genconfig: the configuration of OpenStack's services for an all-in-one site, no container started",
        playbook=lambda: _kolla() / "ansible/site.yml",
        inventory=_kolla_inventory,
        variables={
            "kolla_base_distro": "debian",
            "kolla_internal_vip_address": "127.0.2.200",
            "network_interface": "lo",
            "neutron_external_interface": "eth1",
            "enable_cinder": False,
            **{f"enable_{name}": True for name in KOLLA_SERVICES},
        },
        # As its command passes globals.yml on: group_vars beside its playbook have the defaults.
        args=("-e", "@inventory/group_vars/all.json", "-e", "@etc/passwords.yml", "-e", "kolla_action=config", "-e", "CONFIG_DIR=etc"),
        seeds=("etc",),
        sow=_kolla_passwords,
        text_left_out={
            r"(?<=Traceback \(most recent call last\):\n)(?:  File [^\n]*\n)+": "without docker a module crashes: docs/engine.md",
        },
        versions=("kolla-ansible",),
    ),
    "sample": Content(
        requirements=(),
        about="A few tasks that try out the machinery",
        playbook=lambda: PLAYBOOKS / "sample.yml",
        inventory=lambda: "[targets]\nTARGETS",
    ),
    "zabbix": Content(
        # netaddr 1.0 took away what the filter ipaddr of older collections asks for.
        requirements=("netaddr<1",),
        about="The roles of community.zabbix (agent, Java gateway, server) over Debian's packages",
        playbook=lambda: PLAYBOOKS / "zabbix.yml",
        inventory=lambda: "[zabbix]\nTARGETS",
        # Its conditions are texts, which Ansible refuses from 2.19.
        config=lambda: {"defaults": {"allow_broken_conditionals": True}},
        content_left_out={
            r"etc/ssl/certs/java/cacerts": "clock",
            r"etc/ssl/(certs|private)/ssl-cert-snakeoil\..*": "a key made on the target",
            r"var/lib/postgresql/\d+/main/.*": "a cluster made on the target: its number is made of the clock",
        },
        versions=("ansible",),
    ),
}
