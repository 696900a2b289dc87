"""What playbooks of years are made of, theme by theme, plain and patched: events, outputs, streams, files must agree."""

from __future__ import annotations

import re
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from testbed import events
from testbed.compare import assert_same
from testbed.runs import PLAYBOOKS, Arm, Bench, Run

VAULT = PLAYBOOKS / "routes" / "vault"
KEYS = ["--vault-id", f"one@{VAULT}/first.pass", "--vault-id", f"two@{VAULT}/second.pass"]


def both(bench: Bench, playbook: str, args: list[str], rc: tuple[int, ...], **options: Any) -> tuple[Run, Run]:
    """Run it in both arms; ``rc`` guards against two runs that agree because both stop at once."""
    defaults = options.pop("defaults", {})
    config = {"defaults": {"forks": 6, **defaults}, **options.pop("config", {})}
    arms: tuple[Arm, ...] = ("plain", "mitopatch")
    plain, patched = (bench.run([f"routes/{playbook}", *args], arm, config=config, **options) for arm in arms)
    assert plain.rc in rc, plain.stdout + plain.stderr
    assert_same(plain, patched)
    counts = [Counter(events.clean_text(run.stderr, run.paths).splitlines()) for run in (plain, patched)]
    assert counts[0] == counts[1]
    return plain, patched


def test_keywords(bench: Bench, bundle_active: str) -> None:
    """Batches, orders, run_once, throttle, handlers, loops, blocks, includes: the last play is reached."""
    plain, _ = both(bench, "keywords.yml", [], rc=(0, 2), hosts=1, near=4)
    assert "Fatal in a block" in plain.stdout


def test_secrets(bench: Bench, bundle_active: str) -> None:
    """no_log in every position, options that are secret, vaults: nobody sees a secret, and -vvv does not either."""
    # Root becomes root in the continuous integration: only so is the stand-in for sudo asked at all.
    env = {"ANSIBLE_BECOME_ALLOW_SAME_USER": "True"}
    runs = both(bench, "secrets.yml", KEYS, rc=(0,), hosts=1, near=1, env=env)
    assert "Incorrect sudo password" in runs[0].stdout
    loud = bench.run(["routes/secrets.yml", *KEYS, "-vvv"], "mitopatch", hosts=1, near=1, env=env)
    assert loud.rc == 0, loud.stdout + loud.stderr
    for run in (*runs, loud):
        shown = run.stdout + run.stderr + (run.directory / "events").read_text()
        assert not re.findall(r".*SECRET-.*|.*of the vault.*|.*open sesame.*", shown)


def test_connections(bench: Bench, bundle_active: str) -> None:
    """A user's connections, interpreters, connection variables that change in mid-play, resets, a restart that is none."""
    pythons = ",".join(filter(None, [shutil.which("python3", path="/usr/bin:/usr/local/bin"), sys.executable]))
    both(bench, "connections.yml", [], rc=(0,), hosts=2, near=1, variables={"pythons": pythons})


def test_plugins(bench: Bench, bundle_active: str) -> None:
    """What a user brings: collections, roles with plugins, plugins of every kind, action plugins and modules that misbehave."""
    here = PLAYBOOKS / "routes" / "plugins"
    defaults = {
        "fact_caching": "plainjson", "fact_caching_connection": "facts",
        **{f"{kind}_plugins": here / kind for kind in ("cache", "vars", "inventory")},
    }  # fmt: skip
    sources = ["-i", "hosts", "-i", str(PLAYBOOKS / "routes" / "grown.yml")]
    config = {"inventory": {"enable_plugins": "grown, host_list, ini"}}
    plain, _ = both(bench, "plugins.yml", sources, rc=(0,), hosts=1, near=1, defaults=defaults, config=config)
    assert any(path.name.endswith("g01") for path in (plain.directory / "facts").iterdir())


def test_tasks(bench: Bench, bundle_active: str) -> None:
    """Jobs and time limits, loops that end early, environments, data of every kind, delegation, hosts made in mid-run."""
    plain, _ = both(bench, "tasks.yml", [], rc=(0,), hosts=2, near=3)
    assert "Hosts of the moment" in plain.stdout


def test_a_python_that_is_found(bench: Bench, bundle_active: str, tmp_path: Path) -> None:
    """Discovery as in plain Ansible, and one login a host for it and for all that follows, until the connection is reset."""
    ssh = tmp_path / "ssh"
    ssh.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/logins.$ARM\nexec {shutil.which("ssh")} "$@"\n')
    ssh.chmod(0o755)
    variables = {"ansible_python_interpreter": "auto", "ansible_ssh_executable": ssh}
    arms: tuple[Arm, ...] = ("plain", "mitopatch")
    plain, patched = (bench.run(["routes/found.yml"], arm, hosts=3, variables=variables, env={"ARM": arm}) for arm in arms)
    assert plain.rc == 0, plain.stdout + plain.stderr
    assert_same(plain, patched)
    started = (tmp_path / "logins.mitopatch").read_text().splitlines()
    logins = [line for line in started if "127.0.1." in line and " -O " not in line]  # that is what upstream asks a master of its own
    assert len(logins) == 6, logins
