"""What is shown, written to logs and reports, plain and patched: callbacks, levels of verbosity, ad-hoc commands, the console."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from testbed import compare, events
from testbed.inventory import PLUGINS
from testbed.runs import PLAYBOOKS, Arm, Bench, Run

#: What ansible-core says about connections that it makes itself, at -vvv.
OF_CONNECTION = re.compile(r"<[\w.]+> |Pipelining is enabled|Using module file |\S+/ssh_config|redirecting \(type: connection\)")
#: Figures: seconds in reports and in the spy's lines, the head of a line in a log.
FIGURES = re.compile(
    r' (time|timestamp)="[^"]*"|took \d+ s|(?<=timing: ).*|-+ \d+\.\d+s$|(?<=run took )[\w, ]+ seconds|^<time>,\d+ p=\d+ u=\S+ n=\S+ \w*\| '
)
CALLBACKS = f"{PLUGINS / 'callback'}:{PLAYBOOKS / 'routes' / 'plugins' / 'callback'}"
DEFAULTS = {"callback_plugins": CALLBACKS, "callbacks_enabled": "eventlog, spy, timing"}
#: Arguments, and what the configuration has beside the defaults.
LOOKS: dict[str, tuple[list[str], dict[str, dict[str, Any]]]] = {
    "minimal": (["--check", "--diff"], {"defaults": {"stdout_callback": "minimal", "callbacks_enabled": "eventlog, spy, junit, tree"}}),
    "oneline": (["-v"], {"defaults": {"stdout_callback": "oneline", "log_path": "log"}}),
    "default": (
        ["--check", "-vvvv", "--limit", "near"],
        {"defaults": {"display_skipped_hosts": False, "check_mode_markers": True, "show_custom_stats": True}},
    ),
}
COMMANDS = {
    "asynchronous": ["ansible", "near:web", "-m", "command", "-a", "echo ü", "-B", "20", "-P", "1"],
    "left": ["ansible", "near", "-m", "command", "-a", "true", "-B", "20", "-P", "0"],
    "tree": ["ansible", "near:web", "-m", "setup", "-a", "gather_subset=!all,!min,python", "-t", "tree"],
}


def shown(run: Run, text: str) -> list[str]:
    """Lines without figures and without upstream's connections, sorted: hosts come in as they like."""
    lines = [FIGURES.sub("", line) for line in compare.output_lines(text, run.paths)]
    return sorted(line for line in lines if line and not OF_CONNECTION.match(line))


def in_order(hosts: re.Match[str]) -> str:
    """Names of hosts, sorted."""
    return ", ".join(sorted(hosts[0].split(", ")))


def reports(run: Run, name: str) -> list[str]:
    """The lines of the files that callbacks write, each with its file."""
    place = run.directory / name
    files = sorted(place.iterdir()) if place.is_dir() else [place] if place.exists() else []
    # junit tells by which hosts a file was included, in the order in which they got there.
    hosts = re.compile(r"(?<=: \[)\w+(, \w+)*(?=\]<)")
    lines = [(re.sub(r"-[\d.]+", "", path.name), shown(run, path.read_text().replace("><", ">\n<"))) for path in files]
    return sorted(f"{file}: {hosts.sub(in_order, line)}" for file, found in lines for line in found)


def assert_alike(plain: Run, patched: Run) -> None:
    """Exit code, both streams, statistics and reports are the same; a patched run shows nothing of its machinery."""
    assert patched.rc == plain.rc, patched.stdout + patched.stderr
    for stream in ("stdout", "stderr"):
        assert shown(plain, getattr(plain, stream)) == shown(patched, getattr(patched, stream))
    assert events.stats(plain.events) == events.stats(patched.events)
    for name in ("junit", "tree", "log"):
        assert reports(plain, name) == reports(patched, name)
    assert not re.findall(r"(?i).*\bmitogen.*", patched.stdout + patched.stderr)


@pytest.mark.parametrize("look", LOOKS)
def test_callbacks(bench: Bench, bundle_active: str, look: str) -> None:
    """Callbacks of ansible-core and one of the user's, check mode and its markers, -v and -vvvv, colours, a log."""
    args, config = LOOKS[look]
    config = {**config, "defaults": {**DEFAULTS, **config["defaults"]}}
    env = {"JUNIT_OUTPUT_DIR": "junit", "ANSIBLE_CALLBACK_TREE_DIR": "tree"}
    if look == "oneline":
        env["ANSIBLE_FORCE_COLOR"] = "1"
    arms: tuple[Arm, ...] = ("plain", "mitopatch")
    plain, patched = (bench.run(["routes/output.yml", *args], arm, hosts=1, near=2, config=config, env=env) for arm in arms)
    assert plain.rc == 2, plain.stdout + plain.stderr
    assert "spy: " in plain.stdout
    assert ("seconds, the whole of it: True" in plain.stdout) == (look != "minimal")
    assert ("\x1b[" in plain.stdout) == (look == "oneline")
    assert_alike(plain, patched)


@pytest.mark.parametrize("name", COMMANDS)
def test_commands(bench: Bench, bundle_active: str, name: str) -> None:
    """Ad-hoc commands in the background, and with a directory of results."""
    program, *args = COMMANDS[name]
    arms: tuple[Arm, ...] = ("plain", "mitopatch")
    plain, patched = (bench.run(args, arm, hosts=1, near=1, program=program) for arm in arms)
    assert plain.rc == 0, plain.stdout + plain.stderr
    assert_alike(plain, patched)


@pytest.mark.parametrize(
    ("args", "forked"),
    [
        (["n01", "-m", "ping"], True), (["h01", "-c", "local", "-m", "ping"], True),
        (["near", "-m", "ping"], False), (["h01", "-m", "ping"], False),
    ],
)  # fmt: skip
def test_command_for_this_machine_alone(bench: Bench, bundle_active: str, tmp_path: Path, args: list[str], forked: bool) -> None:
    """One host-task on this machine needs no worker; several, or one elsewhere, have one."""
    env = {"MITOPATCH_PIDFILE": str(tmp_path / "workers")}
    plain = bench.run(args, "plain", hosts=1, near=2, program="ansible", env=env)
    patched = bench.run(args, "mitopatch", hosts=1, near=2, program="ansible", env=env)
    assert plain.rc == 0, plain.stdout + plain.stderr
    assert_alike(plain, patched)
    assert (tmp_path / "workers").exists() is not forked


def test_role_by_hand(bench: Bench, bundle_active: str, tmp_path: Path) -> None:
    """An ad-hoc command can bring a whole role: only what begins it is forked."""
    tasks = tmp_path / "roles" / "brought" / "tasks"
    tasks.mkdir(parents=True)
    (tasks / "main.yml").write_text("- ping:\n- set_fact: {brought: true}\n- ping: {data: '{{ brought }}'}\n")
    env = {"MITOPATCH_PIDFILE": str(tmp_path / "workers"), "ANSIBLE_ROLES_PATH": str(tmp_path / "roles")}
    args = ["n01", "-m", "include_role", "-a", "name=brought"]
    arms: tuple[Arm, ...] = ("plain", "mitopatch")
    plain, patched = (bench.run(args, arm, hosts=1, near=1, program="ansible", env=env) for arm in arms)
    assert plain.rc == 0, plain.stdout + plain.stderr
    assert_alike(plain, patched)
    assert (tmp_path / "workers").exists()


def test_console(bench: Bench, bundle_active: str) -> None:
    """ansible-console takes its commands from standard input: each is a run of its own in one process."""
    words = ["ping", "shell echo ü", "cd web", "list", "forks 3", "command false", "setup filter=ansible_pkg_mgr", "no_such_module"]
    feed = ["/bin/sh", "-c", "printf '%s\\n' " + " ".join(f"'{word}'" for word in words) + ' | "$@"', "sh"]
    arms: tuple[Arm, ...] = ("plain", "mitopatch")
    plain, patched = (bench.run(["near"], arm, hosts=1, near=1, program="ansible-console", prefix=feed) for arm in arms)
    assert "pong" in plain.stdout, plain.stdout + plain.stderr
    assert_alike(plain, patched)
