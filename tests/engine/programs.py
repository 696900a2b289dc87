"""Random playbooks that change variables in every way there is, and show what came of it.

One playbook has a few plays of many steps: a run costs seconds, a step costs little. Everything runs on the controller's side
(no module is sent anywhere), on a few hosts in groups, with variables at every level; the variable ``p`` and the dictionary
``d`` are defined at a random choice of all levels of precedence. A host may fail or be unreachable on the way.
"""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import strategies as st

Task = dict[str, Any]

HOSTS = ("h1", "h2", "h3", "h4")
NAMES = ("v0", "v1", "v2")
NEW = ("n1", "n2")
ROLES = ("one", "two", "three")

hosts = st.sampled_from(HOSTS)
names = st.sampled_from(NAMES)
values = st.one_of(
    st.integers(0, 9),
    st.sampled_from(["text", "{{ v0 | default('unset') }}-on", "{{ inventory_hostname }}", "", "{{ p | default('none') }}", True, None]),
    st.lists(st.integers(0, 3), max_size=3),
    st.fixed_dictionaries(
        {}, optional={"a": st.integers(0, 5), "b": st.just({"c": "{{ inventory_hostname }}"}), "e": st.lists(st.integers(0, 2))}
    ),
)

#: What a host sees; `safe` parts do not depend on when another host's result came in.
OWN = {name: f"{{{{ {name} | default('undefined') }}}}" for name in (*NAMES, "p", "d", "stage", "of_plugin", "of_file", "registered")}
MAGIC = {
    name: f"{{{{ {name} | default('undefined') }}}}"
    for name in (
        "groups", "group_names", "inventory_hostname", "inventory_hostname_short", "ansible_facts", "role_name", "ansible_play_name",
        "ansible_role_names", "ansible_play_role_names", "ansible_dependent_role_names", "ansible_check_mode", "playbook_dir",
        "inventory_dir", "inventory_file", "ansible_play_hosts", "ansible_play_hosts_all", "ansible_play_batch",
        "ansible_current_hosts", "ansible_failed_hosts", "environment",
    )
}  # fmt: skip
MAGIC["failed_task"] = "{{ (ansible_failed_task | default({})).name | default('undefined') }}"
OTHERS = {
    "names": "{{ hostvars | list }}",
    "number": "{{ hostvars | length }}",
    **{
        name: f"{{{{ groups['all'] | map('extract', hostvars) | map(attribute='{name}', default='undefined') | list }}}}"
        for name in (*NAMES, "p", "of_plugin")
    },
}
SHOW_OWN: Task = {"debug": {"msg": {**OWN, **MAGIC}}}
SHOW_OTHERS: Task = {"debug": {"msg": OTHERS}}


def one_host(host: str) -> str:
    """A condition: on this host."""
    return f"inventory_hostname == '{host}'"


@st.composite
def step(draw: Any, depth: int = 0) -> Task:
    """One task that changes something, or shows it."""
    return draw(draw(st.sampled_from(STEPS if depth == 0 else STEPS[:-3])))


def build(task: Any) -> Any:
    """A strategy for tasks from a function that draws."""
    return st.composite(task)()


def with_delegation(draw: Any, task: Task) -> Task:
    """The task, perhaps delegated, for once, or for one host only."""
    how = draw(st.integers(0, 7))
    if how == 0:
        return {**task, "delegate_to": draw(st.sampled_from([*HOSTS, "localhost", "elsewhere"])), "delegate_facts": draw(st.booleans())}
    if how == 1:
        return {**task, "run_once": True}
    if how == 2:
        return {**task, "when": one_host(draw(hosts))}
    if how == 3:
        return {**task, "delegate_to": "{{ item }}", "loop": ["h1", "h3"], "delegate_facts": draw(st.booleans())}
    return task


def set_fact(draw: Any) -> Task:
    found = {draw(names): draw(values), draw(names): draw(values)}
    return with_delegation(draw, {"set_fact": {**found, **({"cacheable": True} if draw(st.booleans()) else {})}})


def gathered(draw: Any) -> Task:
    return with_delegation(
        draw, {"gathered": {"facts": {"color": draw(values), draw(names): draw(values), "local": {"x": draw(st.integers(0, 9))}}}}
    )


def register(draw: Any) -> Task:
    task: Task = {"debug": {"msg": draw(values)}, "register": draw(st.sampled_from(["registered", "v1", "v2"]))}
    if draw(st.booleans()):
        task["loop"] = draw(st.lists(values, max_size=3))
        return task
    return with_delegation(draw, task)


def include_vars(draw: Any) -> Task:
    more = draw(st.sampled_from([{}, {"name": "v2"}]))
    return with_delegation(draw, {"include_vars": {"file": draw(st.sampled_from(["extra1.yml", "extra2.yml"])), **more}})


def add_host(draw: Any) -> Task:
    name = draw(st.sampled_from([*NEW, "h1", "{{ 'n' ~ inventory_hostname[1:] }}"]))
    groups = draw(st.lists(st.sampled_from(["fresh", "web", "newer"]), unique=True))
    return {"add_host": {"name": name, "groups": groups, draw(names): draw(values), "ansible_connection": "local"}}


def group_by(draw: Any) -> Task:
    # No second group with children beside `dc`: plain Ansible orders the two by their addresses.
    key = draw(st.sampled_from(["by_{{ v0 | default('x') | string | length }}", "by_{{ inventory_hostname }}", "late"]))
    return {"group_by": {"key": key, "parents": draw(st.sampled_from([[], ["web"]]))}}


def meta(draw: Any) -> Task:
    task: Task = {
        "meta": draw(st.sampled_from(["clear_facts", "clear_facts", "noop", "flush_handlers", "clear_host_errors", "refresh_inventory"]))
    }
    if task["meta"] == "clear_facts" and draw(st.booleans()):
        task["when"] = one_host(draw(hosts))
    return task


def failing(draw: Any) -> Task:
    task: Task = {"fail": {"msg": "{{ inventory_hostname }}"}, "when": one_host(draw(hosts))}
    how = draw(st.integers(0, 4))
    if how == 0:
        return task
    if how == 1:
        return {**task, "ignore_errors": True, "register": "registered"}
    return {"block": [task], "rescue": [{"set_fact": {"v0": "{{ ansible_failed_result.msg }}"}}], "always": [SHOW_OWN]}


def gone(draw: Any) -> Task:
    return {"gone": {}, "when": one_host(draw(hosts)), "ignore_unreachable": draw(st.booleans())}


def show(draw: Any) -> Task:
    return draw(st.sampled_from([SHOW_OWN, SHOW_OTHERS, SHOW_OTHERS]))


def scoped(draw: Any) -> Task:
    return {**SHOW_OWN, "vars": {draw(names): draw(values), "p": "of task"}, "environment": {"A": "{{ v0 | default('') | string }}"}}


def notifying(draw: Any) -> Task:
    return {"debug": {"msg": "notify"}, "changed_when": draw(st.booleans()), "notify": ["by name", "topic"]}


def custom_stats(draw: Any) -> Task:
    return {"set_stats": {"data": {"s": draw(st.integers(0, 9))}, "per_host": draw(st.booleans())}}


def block(draw: Any) -> Task:
    return {"block": draw(st.lists(step(1), min_size=1, max_size=3)), "vars": {"p": "of block", draw(names): draw(values)}}


def include_role(draw: Any) -> Task:
    options: Task = {"name": draw(st.sampled_from(ROLES))}
    word = draw(st.sampled_from(["include_role", "import_role"]))
    if word == "include_role":
        options["public"] = draw(st.booleans())
    if draw(st.booleans()):
        options["vars_from"] = "other.yml"
    task: Task = {word: options}
    if draw(st.booleans()):
        task["vars"] = {"p": "of role inclusion", draw(names): draw(values)}
    if word == "include_role" and draw(st.booleans()):
        task["when"] = one_host(draw(hosts))
    return task


def include_tasks(draw: Any) -> Task:
    task: Task = {"include_tasks": draw(st.sampled_from(["more.yml", "{{ 'mo' ~ 're.yml' }}"])), "vars": {draw(names): draw(values)}}
    if draw(st.booleans()):
        task["loop"] = [1, 2]
    return task


STEPS = [
    build(made)
    for made in (
        set_fact, set_fact, gathered, register, register, include_vars, add_host, group_by, meta, failing, gone, show, show,
        scoped, notifying, custom_stats, block, include_role, include_tasks,
    )
]  # fmt: skip

#: Every level of precedence that a file or the command line can have; the others are in steps, roles and plays.
LEVELS = ("defaults", "inventory all", "group_vars all", "play group_vars all", "inventory web", "group_vars web", "play group_vars web",
          "inventory host", "host_vars", "play host_vars", "play", "vars_files",
          "vars_prompt", "role vars", "role params", "extra")  # fmt: skip

GATHERED = """
from ansible.plugins.action import ActionBase
class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        facts = {"ansible_" + name: value for name, value in self._task.args["facts"].items()}
        return dict(super().run(tmp, task_vars), changed=False, ansible_facts=facts)
"""
GONE = """
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        raise AnsibleConnectionFailure("gone")
"""
VARS_PLUGIN = """
from ansible.plugins.vars import BaseVarsPlugin
class VarsModule(BaseVarsPlugin):
    def get_vars(self, loader, path, entities, cache=True):
        super().get_vars(loader, path, entities)
        found = {}
        for entity in entities if isinstance(entities, list) else [entities]:
            found.setdefault("of_plugin", []).append(entity.name)
        return found
"""


def _role(name: str, level: Any) -> dict[str, str]:
    files = {
        "tasks/main.yml": [SHOW_OWN, {"set_fact": {f"of_{name}": "{{ p | default('none') }}"}}, {"include_vars": "more.yml"}],
        "vars/more.yml": {"v2": f"included by {name}"},
        "vars/other.yml": {"v1": f"other of {name}", "p": f"other vars of {name}"},
        "defaults/main.yml": {"v0": f"default of {name}", **level("defaults", name)},
        "vars/main.yml": {f"var_{name}": name, **level("role vars", name)},
        "meta/main.yml": {
            "dependencies": [{"role": "two", "v1": "param of dependency"}] if name == "one" else [],
            "allow_duplicates": name == "three",
        },
        "handlers/main.yml": [{"name": f"handler of {name}", "debug": {"msg": "{{ v0 | default('none') }}"}, "listen": "topic"}],
    }
    return {f"roles/{name}/{path}": yaml.safe_dump(content) for path, content in files.items()}


#: Where hosts do not wait for each other, plain Ansible too shows another state of other hosts from run to run.
OF_OTHERS = {"run_once", "delegate_to", "delegate_facts", "groups", "ansible_play_hosts", "ansible_play_batch", "ansible_current_hosts",
             "ansible_failed_hosts"}  # fmt: skip
FOR_OTHERS = {"add_host", "group_by", "set_stats"}
META_FOR_OTHERS = {"clear_host_errors", "refresh_inventory"}


def of_one_host(tasks: Any) -> Any:
    """The same tasks, without what other hosts see, or what shows them."""
    if isinstance(tasks, list):
        return [of_one_host(task) for task in tasks]
    if not isinstance(tasks, dict):
        return tasks
    if FOR_OTHERS & tasks.keys() or tasks.get("meta") in META_FOR_OTHERS or tasks.get("debug") == SHOW_OTHERS["debug"]:
        tasks = SHOW_OWN
    return {key: of_one_host(value) for key, value in tasks.items() if key not in OF_OTHERS}


def _let_go(draw: Any, files: dict[str, str]) -> None:
    """Have hosts run on without waiting for each other, in one play at least."""
    for name, text in files.items():
        if name in ("site.yml", "more.yml") or "/tasks/" in name:
            content = of_one_host(yaml.safe_load(text))
            if name == "site.yml":
                for play, strategy in zip(content, draw(st.permutations(["free", "host_pinned", "free", "linear"]))):
                    play["strategy"] = strategy
            files[name] = yaml.safe_dump(content, sort_keys=False)


@st.composite
def programs(draw: Any, steps: int = 8, plays: int = 2) -> dict[str, Any]:
    """Files of a run, its arguments and its configuration, and how many workers it has."""
    chosen = draw(st.sets(st.sampled_from(LEVELS)))

    def level(name: str, where: str = "") -> dict[str, Any]:
        return {"p": f"{name} {where}", "d": {name: where, "last": name}} if name in chosen else {}

    inventory = {
        "all": {
            "vars": {"ansible_connection": "local", **level("inventory all")},
            "children": {
                "dc": {
                    "children": {
                        "web": {"vars": level("inventory web"), "hosts": {"h1": level("inventory host"), "h2": {}}},
                        "db": {
                            "vars": {"ansible_group_priority": 5, "p": "priority"} if draw(st.booleans()) else {},
                            "hosts": {"h2": {}, "h3": {}},
                        },
                    }
                },
            },
            "hosts": {"h4": {"v0": "of inventory"}},
        }
    }
    files = {
        "inv/hosts.yml": yaml.safe_dump(inventory),
        "inv/group_vars/all.yml": yaml.safe_dump({"stage": "inventory", **level("group_vars all")}),
        "inv/group_vars/web/main.yml": yaml.safe_dump({"of_file": "web", **level("group_vars web")}),
        "inv/host_vars/h1.yml": yaml.safe_dump({"of_file": "h1", **level("host_vars")}),
        "group_vars/all.yml": yaml.safe_dump({"stage": "play", **level("play group_vars all")}),
        "group_vars/web.yml": yaml.safe_dump(level("play group_vars web")),
        "group_vars/fresh.yml": yaml.safe_dump({"of_file": "fresh"}),
        "host_vars/h1.yml": yaml.safe_dump(level("play host_vars")),
        "host_vars/n1.yml": yaml.safe_dump({"of_file": "n1"}),
        "vars/extra1.yml": yaml.safe_dump({"v0": "extra1", "d": {"included": 1}}),
        "vars/extra2.yml": yaml.safe_dump({"v1": "{{ v0 | default('none') }}", "d": {"more": 2}}),
        "vars/of_play.yml": yaml.safe_dump({"stage": "vars_files", **level("vars_files")}),
        "more.yml": yaml.safe_dump(draw(st.lists(step(1), min_size=1, max_size=2))),
        "action_plugins/gathered.py": GATHERED,
        "action_plugins/gone.py": GONE,
        "vars_plugins/named.py": VARS_PLUGIN,
    }
    for name in ROLES:
        files.update(_role(name, level))
    book = [draw(_play(number, steps, level)) for number in range(plays)]
    files["site.yml"] = yaml.safe_dump(book, sort_keys=False)
    if draw(st.integers(0, 2)) == 0:
        _let_go(draw, files)
    extra = level("extra")
    config = f"hash_behaviour = {draw(st.sampled_from(['replace', 'replace', 'merge']))}\n"
    if draw(st.booleans()):
        config += "fact_caching = jsonfile\nfact_caching_connection = facts\n"
    args = ["-i", "inv/hosts.yml", *(["-e", yaml.safe_dump(extra, default_flow_style=True).strip()] if extra else [])]
    return {"files": files, "config": config, "args": args, "workers": draw(st.integers(2, 3))}


@st.composite
def _play(draw: Any, number: int, steps: int, level: Any) -> dict[str, Any]:
    roles: list[Any] = draw(st.lists(st.sampled_from(ROLES), max_size=2))
    if roles and level("role params"):
        roles[0] = {"role": roles[0], **level("role params")}
    play: dict[str, Any] = {
        "name": f"Play {number}",
        "hosts": draw(st.sampled_from(["all", "all", "all", "dc", "web:h4", "localhost:all"] if number else ["all"])),
        "gather_facts": False,
        "vars": level("play"),
        "roles": roles,
        "tasks": [*draw(st.lists(step(), min_size=steps // 2, max_size=steps)), SHOW_OWN, SHOW_OTHERS],
        "handlers": [
            {"name": "by name", "debug": {"msg": "{{ v0 | default('none') }}"}},
            {"name": "other", "set_fact": {"v2": "handled"}, "listen": "topic"},
        ],
    }
    if draw(st.booleans()):
        play["vars_files"] = [["vars/{{ v0 | default('nothing') }}.yml", "vars/of_play.yml"]]
    if draw(st.integers(0, 3)) == 0:
        play["serial"] = draw(st.sampled_from([1, 2, [1, 3]]))
    if level("vars_prompt"):
        play["vars_prompt"] = [{"name": "p", "prompt": "p", "default": "prompted"}]
    return play
