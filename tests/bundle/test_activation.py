"""Each way to switch on, each entrance to Ansible, and that nothing happens otherwise."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from tests.bundle.conftest import SAMPLE, codes, command, events

FULL = ["BEGIN", "RUN"]


@pytest.mark.parametrize(
    ("strategy", "cfg", "environ", "name"),
    [
        ("", "[defaults]\nmitopatch = on\n", {}, "linear"),
        ("strategy: free", "[defaults]\nmitopatch = on\n", {}, "free"),
        ("", "", {"MITOPATCH": "on"}, "linear"),
        ("strategy: mitopatch_free", "[defaults]\nmitopatch = on\n", {}, "free"),
        ("strategy: mitopatch_linear", "", {}, "linear"),
        ("strategy: mitopatch_host_pinned", "", {}, "host_pinned"),
        ("strategy: \"{{ 'mitopatch_' ~ name }}\"\n  vars: {name: free}", "", {}, "free"),
        ("", "[defaults]\nstrategy = mitopatch_free\n", {}, "free"),
        ("", "", {"ANSIBLE_STRATEGY": "mitopatch_host_pinned"}, "host_pinned"),
        ("strategy: linear", "", {"ANSIBLE_STRATEGY": "mitopatch_free"}, "linear"),
    ],
)
def test_switched_on(playbook: Any, strategy: str, cfg: str, environ: dict[str, str], name: str) -> None:
    done = playbook(strategy, cfg, **environ)
    assert done.returncode == 0, done.stderr
    assert events(done) == [*FULL, f"STRATEGY {name}"]
    assert codes(done) == []
    assert "deprecat" not in done.stderr.lower()
    assert done.stdout.count("said") == 2


@pytest.mark.parametrize(
    ("strategy", "cfg", "environ"),
    [
        ("", "", {}),
        ("strategy: free", "[defaults]\nforks = 3\n", {}),
        ("", "[defaults]\nmitopatch = off\n", {}),
        ("", "[defaults]\nmitopatch = on\n", {"MITOPATCH": "off"}),
        ("strategy: mitopatch_free", "", {"MITOPATCH": "off"}),
        ("strategy: mitopatch_linear", "[defaults]\nmitopatch = off\n", {}),
        ("strategy: \"{{ 'mitopatch_free' }}\"", "", {"MITOPATCH": "0"}),
        ("", "", {"MITOPATCH": "off", "ANSIBLE_STRATEGY": "mitopatch_free"}),
    ],
)
def test_switched_off_is_plain_and_silent(playbook: Any, strategy: str, cfg: str, environ: dict[str, str]) -> None:
    done = playbook(strategy, cfg, **environ)
    assert done.returncode == 0, done.stderr
    assert events(done) == codes(done) == []
    assert "deprecat" not in done.stderr.lower()
    assert done.stdout.count("said") == 2


def test_unknown_name_is_upstreams_error_and_one_sentence(playbook: Any) -> None:
    done = playbook("strategy: mitopatch_fast")
    assert done.returncode != 0
    assert "Invalid play strategy specified: mitopatch_fast" in done.stderr + done.stdout
    assert codes(done) == ["MP121"]
    assert events(done) == []


def test_ad_hoc(process: Any) -> None:
    done = process(sys.executable, SAMPLE, command("ansible"), "localhost", "-m", "debug", "-a", "msg=said", MITOPATCH="on")
    assert done.returncode == 0, done.stderr
    assert events(done) == [*FULL, "STRATEGY linear"]


def test_a_program_that_only_says_its_version(process: Any) -> None:
    for name in ("ansible", "ansible-playbook"):
        done = process(sys.executable, SAMPLE, command(name), "--version", MITOPATCH="on")
        assert done.returncode == 0, done.stderr
        assert "python version" in done.stdout
        assert events(done) == codes(done) == []


def test_console(process: Any, tmp_path: Any) -> None:
    line = f"printf 'debug msg=said\\nexit\\n' | {sys.executable} {SAMPLE} {command('ansible-console')} localhost -i localhost, -c local"
    done = process("/bin/sh", "-c", line, MITOPATCH="on")
    assert done.returncode == 0, done.stderr
    assert "STRATEGY linear" in events(done)


API = """
import sys
sys.argv = ["program"]
sys.path.insert(0, {folder!r})
import mitopatch.autoload
import sample
sample.install()
{first}
from ansible import context
from ansible.executor.task_queue_manager import TaskQueueManager
from ansible.inventory.manager import InventoryManager
from ansible.module_utils.common.collections import ImmutableDict
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play import Play
from ansible.plugins import loader
from ansible.vars.manager import VariableManager
getattr(loader, "init_plugin_loader", lambda: None)()  # from 2.15
try:
    from ansible.template import trust_as_template
except ImportError:
    trust_as_template = str
context.CLIARGS = ImmutableDict(connection="local", forks=2, become=None, become_method=None, become_user=None, check=False, diff=False,
                                verbosity=0)
loader = DataLoader()
inventory = InventoryManager(loader=loader, sources="a,b,")
variables = VariableManager(loader=loader, inventory=inventory)
manager = TaskQueueManager(inventory=inventory, variable_manager=variables, loader=loader, passwords={{}})
play = Play.load(dict(hosts="all", gather_facts="no", strategy=trust_as_template({strategy!r}), tasks=[dict(debug=dict(msg="said"))]),
                 variable_manager=variables, loader=loader)
try:
    print("RESULT", manager.run(play))
finally:
    manager.cleanup()
"""
IMPORTS = [
    "import ansible.constants",
    "from ansible import constants",
    "import ansible.plugins.strategy",
    "import ansible.plugins.strategy.linear",
    "from ansible.executor.playbook_executor import PlaybookExecutor",
    "from ansible.executor.process.worker import WorkerProcess",
]


def program(first: str, strategy: str) -> str:
    folder = SAMPLE.rpartition("/")[0]
    return API.format(folder=folder, first=first, strategy=strategy)


@pytest.mark.parametrize("first", IMPORTS)
def test_program_through_the_python_api(process: Any, first: str) -> None:
    done = process(sys.executable, "-c", program(first, "free"), MITOPATCH="on")
    assert done.returncode == 0, done.stderr
    assert events(done) == [*FULL, "STRATEGY free"]
    assert "RESULT 0" in done.stdout


@pytest.mark.parametrize("strategy", ["mitopatch_free", "{{ 'mitopatch_free' }}"])
def test_alias_in_a_play_that_goes_straight_to_the_queue_manager(process: Any, strategy: str) -> None:
    done = process(sys.executable, "-c", program("", strategy))
    assert done.returncode == 0, done.stderr
    assert events(done) == [*FULL, "STRATEGY free"], "the run begins anew, inside the bundle's own wrapper"
    assert done.stdout.count("PLAY [") == 1
    assert "RESULT 0" in done.stdout


def test_loaders_of_ansibles_modules_are_their_own(process: Any) -> None:
    text = (
        "import mitopatch.autoload, inspect, sys\n"
        "import ansible.constants as c, ansible.executor.task_queue_manager as t, ansible.plugins.strategy as s\n"
        "for m in (c, t, s):\n"
        "    assert type(m.__loader__).__name__ == type(m.__spec__.loader).__name__ == 'SourceFileLoader', m\n"
        "    assert m.__loader__.get_source(m.__name__) == inspect.getsource(m)\n"
        "assert not any(type(f).__module__.startswith('mitopatch') for f in sys.meta_path)\n"
    )
    done = process(sys.executable, "-c", text, MITOPATCH="off")
    assert done.returncode == 0, done.stderr


def test_a_run_that_is_off_imports_no_mitogen(process: Any) -> None:
    text = (
        "import sys, mitopatch_autoload\n"
        "assert not [m for m in sys.modules if m.startswith('mitopatch') and m != 'mitopatch_autoload']\n"
        "import ansible.executor.task_queue_manager\n"
        "print(sorted({m.partition('.')[0] for m in sys.modules} & {'mitogen', 'ansible_mitogen'}))\n"
    )
    assert process(sys.executable, "-c", text).stdout.strip() == "[]"
