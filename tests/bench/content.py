"""The playbooks of the workloads, written at their size. JSON is YAML; each is a handful of data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .workload import Size

Task = dict[str, Any]
# What a task needs to know of one host, as text that no run has to compute.
HOSTS_FILE = """\
{% for name in groups['dc'] %}
{{ hostvars[name].ansible_host }} {{ hostvars[name].ansible_facts.hostname }} {{ name }} {{ hostvars[name].ansible_facts.architecture }}
{% endfor %}
"""


def playbook(directory: Path, hosts: str, tasks: list[Task], **keywords: Any) -> list[str]:
    """Write one play; return the arguments that run it."""
    path = directory / "play.yml"
    play = {"name": "Measured", "hosts": hosts, "gather_facts": False, **keywords}
    path.write_text(json.dumps([{**play, "tasks": tasks} if tasks else play], indent=1))
    return [str(path)]


def fact(number: int) -> Task:
    """A task that runs in the controller alone."""
    return {"name": f"Fact {number}", "ansible.builtin.set_fact": {f"fact_{number}": f"{{{{ inventory_hostname }}}}-{number}"}}


def renderings(directory: Path, size: Size) -> list[str]:
    """set_fact of a template that loops, on every host, `tasks` times: what a controller has to work out, and no task is small."""
    template = "{% for number in range(3000) %}{{ number * TASK ~ inventory_hostname }}{% endfor %}"
    tasks: list[Task] = [
        {"name": f"Rendering {number}", "ansible.builtin.set_fact": {f"text_{number}": template.replace("TASK", str(number))}}
        for number in range(1, size.tasks + 1)
    ]
    return playbook(directory, "dc", tasks)


def empty(directory: Path, _size: Size) -> list[str]:
    """Nothing to do."""
    return playbook(directory, "localhost", [])


def ping_by_hand(_directory: Path, _size: Size) -> list[str]:
    """The first command that everybody tries."""
    return ["localhost", "-m", "ping"]


def facts(directory: Path, size: Size) -> list[str]:
    """set_fact on every host, `tasks` times."""
    return playbook(directory, "dc", [fact(number) for number in range(1, size.tasks + 1)])


def commands(directory: Path, size: Size) -> list[str]:
    """A module that does nothing, on every host, `tasks` times."""
    return playbook(directory, "dc", [{"name": f"Command {number + 1}", "ansible.builtin.command": "true"} for number in range(size.tasks)])


def sleeps(directory: Path, _size: Size) -> list[str]:
    """A command that lasts, so that as many run at once as `forks` allows."""
    return playbook(directory, "dc", [{"name": "Sleep", "ansible.builtin.command": "sleep 3"}])


def loop(directory: Path, size: Size, hosts: str, name: str, **arguments: Any) -> list[str]:
    """One module, `count` times."""
    task = {"name": "Loop", f"ansible.builtin.{name}": arguments, "loop": f"{{{{ range({size.count}) | list }}}}"}
    return playbook(directory, hosts, [task])


def loop_ping(directory: Path, size: Size) -> list[str]:
    """ping in a loop."""
    return loop(directory, size, "localhost", "ping")


def loop_command(directory: Path, size: Size) -> list[str]:
    """command in a loop."""
    return loop(directory, size, "localhost", "command", cmd="true")


def loop_stat(directory: Path, size: Size) -> list[str]:
    """stat in a loop."""
    return loop(directory, size, "localhost", "stat", path="/etc/passwd", get_checksum=False)


def loop_copy(directory: Path, size: Size) -> list[str]:
    """copy of a small content in a loop; every file is new."""
    return loop(directory, size, "localhost", "copy", content="item {{ item }}\n", dest="{{ root }}/file{{ item }}")


def copies(directory: Path, size: Size) -> list[str]:
    """copy of small files of the controller; every file is new."""
    (directory / "files").mkdir()
    for number in range(size.count):
        (directory / "files" / f"small{number}").write_text(f"content of {number}\n")
    return loop(directory, size, "dc", "copy", src="small{{ item }}", dest="{{ root }}/file{{ item }}")


def templates(directory: Path, size: Size) -> list[str]:
    """template of small files; every file is new."""
    (directory / "templates").mkdir()
    (directory / "templates" / "small.j2").write_text("item {{ item }} of {{ inventory_hostname }}\n")
    return loop(directory, size, "dc", "template", src="small.j2", dest="{{ root }}/file{{ item }}")


def all_hostvars(directory: Path, _size: Size) -> list[str]:
    """Facts of all hosts, then a file on each host that names all of them.

    Without hardware facts: lsblk, udevadm and the like take seconds on each target, and all targets are this machine.
    """
    (directory / "templates").mkdir()
    (directory / "templates" / "hosts.j2").write_text(HOSTS_FILE)
    gather = {"name": "Facts", "ansible.builtin.setup": {"gather_subset": ["!hardware", "!facter", "!ohai"]}}
    write = {"name": "Hosts", "ansible.builtin.template": {"src": "hosts.j2", "dest": "{{ root }}/{{ inventory_hostname }}"}}
    return playbook(directory, "dc", [gather, write])


def many_variables(directory: Path, size: Size) -> list[str]:
    """On every host, `tasks` times: a fact from a condition and two templates, and one from a lookup of a template; 600 variables."""
    variables: dict[str, Any] = {
        "rows": [{"name": f"row{number}", "state": "present", "options": {"a": 1, "b": ["x", "{{ text_1 }}"]}} for number in range(100)]
    }
    for number in range(150):
        variables.update(
            {
                f"text_{number}": f"text {number}",
                f"list_{number}": ["a", "b"],
                f"map_{number}": {"a": "b"},
                f"of_{number}": f"{{{{ text_{number} }}}}",
            }
        )
    (directory / "variables.yml").write_text(json.dumps(variables, indent=1))
    (directory / "templates").mkdir()
    (directory / "templates" / "rows.j2").write_text("{% for row in rows[:3] %}{{ row.name }} {{ text_1 }}{% endfor %}\n")
    tasks: list[Task] = []
    for number in range(size.tasks):
        value = f"{{{{ of_{number} | upper }}}} {{{{ list_{number} | join('-') }}}}"
        tasks += [
            {"name": f"Fact {number}", "ansible.builtin.set_fact": {f"fact_{number}": value}, "when": f"text_{number} | length > 2"},
            {"name": f"Rows {number}", "ansible.builtin.set_fact": {f"rows_{number}": "{{ lookup('template', 'rows.j2') }}"}},
        ]
    return playbook(directory, "dc", tasks, vars_files=["variables.yml"])


def includes(directory: Path, size: Size) -> list[str]:
    """A file of `tasks` tasks, included `count` times."""
    tasks = [{"name": f"Step {number}", "ansible.builtin.debug": {"msg": f"{{{{ turn }}}} {number}"}} for number in range(size.tasks)]
    (directory / "included.yml").write_text(json.dumps(tasks, indent=1))
    include = {
        "name": "Include",
        "ansible.builtin.include_tasks": "included.yml",
        "loop": f"{{{{ range({size.count}) | list }}}}",
        "loop_control": {"loop_var": "turn"},
    }
    return playbook(directory, "localhost", [include])


def roles(directory: Path, size: Size) -> list[str]:
    """`count` roles of `tasks` tasks, each with defaults, variables and a handler."""
    names = [f"role_{number:03d}" for number in range(size.count)]
    for name in names:
        parts = {
            "defaults": {f"{name}_mode": "0644", f"{name}_text": "{{ inventory_hostname }}"},
            "vars": {f"{name}_items": [1, 2, 3]},
            "tasks": [
                {"name": f"Step {number}", "ansible.builtin.set_fact": {f"{name}_{number}": f"{{{{ {name}_text }}}} {{{{ {name}_mode }}}}"}}
                for number in range(size.tasks)
            ],
            "handlers": [{"name": f"Restart {name}", "ansible.builtin.debug": {"msg": name}}],
        }
        for part, content in parts.items():
            path = directory / "roles" / name / part / "main.yml"
            path.parent.mkdir(parents=True)
            path.write_text(json.dumps(content, indent=1))
    return playbook(directory, "localhost", [], roles=names)
