"""[controller] The declarations that all families share; a bundle states what is different in its series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional

from mitopatch import diffs
from mitopatch.declare import Declaration, Edit, Relies, StandIn, Wrap
from mitopatch.versions import definitions, group_order, plugin_lock, routing
from mitopatch.versions.patches import Patches

UPSTREAM = "https://github.com/ansible/ansible/blob/stable-{series}/lib/ansible/{path}"

STRATEGY = "ansible.plugins.strategy"
TQM = "ansible.executor.task_queue_manager"
VARIABLES = "ansible.vars.manager"
INVENTORY = "ansible.inventory.manager"
GROUP = "ansible.inventory.group"
ENGINE = "ansible._internal._templating._engine"
DATA = "ansible.parsing.dataloader"
LOADER = "ansible.plugins.loader"
WORKER = "ansible.executor.process.worker"
COLLECTIONS = "ansible.utils.collection_loader._collection_finder"

GET_VARS = ("self", "play", "host", "task", "include_hostvars", "include_delegate_to", "use_cache", "_hosts", "_hosts_all", "stage")
#: From 2.19; delegation is computed in the worker since 2.15.
GET_VARS_219 = tuple(name for name in GET_VARS if name != "include_delegate_to")
WORKER_INIT = (
    "self",
    "final_q",
    "task_vars",
    "host",
    "task",
    "play_context",
    "loader",
    "variable_manager",
    "shared_loader_obj",
    "worker_id",
)
WALK = ("self", "rel", "include_self", "preserve_ordering")
FIND = ("self", "name", "mod_type", "ignore_deprecated", "check_aliases", "collection_list")
FOREVER = "ansible-core has persistent workers of its own"


def bundle_declarations(
    series: str,
    patches: Patches,
    *,
    worker_init: Sequence[str] = WORKER_INIT,
    get_vars: Sequence[str] = GET_VARS,
    add_dynamic_host: Sequence[str] = ("self", "host_info", "result_item"),
    add_dynamic_group: Sequence[str] = ("self", "host", "result_item"),
    relies: Sequence[str] = ("WorkerProcess._run",),
    detaches: bool = False,
    template_engine: bool = False,
    strategy_adds: bool = False,
) -> tuple[Declaration, ...]:
    """All declarations of a series. Raises NotApplied if one of its source patches is damaged."""

    def facts(module: str, undo_when: str, why: str) -> dict[str, str]:
        path = module.replace("ansible.", "", 1).replace(".", "/")
        path += "/__init__.py" if module == STRATEGY else ".py"
        return {"why": why, "upstream": UPSTREAM.format(series=series, path=path), "undo_when": undo_when}

    def wrap(module: str, name: str, wrapper: Any, signature: Sequence[str], why: str, undo_when: str = FOREVER) -> Wrap:
        return Wrap(module, name, wrapper, tuple(signature), **facts(module, undo_when, why))

    def stand_in(module: str, name: str, make: Any, why: str, signature: Optional[Sequence[str]] = None) -> StandIn:
        return StandIn(module, name, make, **facts(module, FOREVER, why), signature=signature)

    replayed = "the workers must do the same to their replica"
    one_thread = "a second thread would see half-imported plugins"
    locks = "upstream's plugin loader is safe for threads"
    terminal = "it decides which workers leave the terminal, which ours always do: the other tasks are forked"
    engine = ("self", "loader", "variables", "variables_factory", "marker_behavior")
    plain = "the templating engine takes plain dictionaries only"
    addresses = "upstream's order of groups does not depend on addresses"
    if strategy_adds:  # 2.11 to 2.13
        additions: tuple[Wrap, ...] = (
            wrap(STRATEGY, "StrategyBase._add_host", patches.addition("_add_host"), ("self", "host_info", "result_item"), replayed),
            wrap(STRATEGY, "StrategyBase._add_group", patches.addition("_add_group"), ("self", "host", "result_item"), replayed),
        )
    else:
        additions = tuple(
            wrap(INVENTORY, f"InventoryManager.{name}", patches.mutator("inventory", name), signature, replayed)
            for name, signature in (("add_dynamic_host", add_dynamic_host), ("add_dynamic_group", add_dynamic_group))
        )
    return (
        # First: an edit wants upstream's own function, also where a wrap stands on the same name.
        *(Edit(patch) for patch in diffs.load(series)),
        *(Relies(WORKER, name, **facts(WORKER, FOREVER, "the worker's threads run this body on objects of ours")) for name in relies),
        *((Relies(WORKER, "WorkerProcess._detach", **facts(WORKER, FOREVER, terminal)),) if detaches else ()),
        *((wrap(ENGINE, "TemplateEngine.__init__", patches.template_engine_init, engine, plain),) if template_engine else ()),
        wrap(LOADER, "PluginLoader.get_with_context", plugin_lock.locked, ("self", "name", "args", "kwargs"), one_thread, locks),
        wrap(LOADER, "Jinja2Loader.get_with_context", plugin_lock.locked, ("self", "name", "args", "kwargs"), one_thread, locks),
        wrap(LOADER, "PluginLoader.find_plugin_with_context", plugin_lock.locked, FIND, one_thread, locks),
        wrap(LOADER, "PluginLoader.all", plugin_lock.locked_iteration, ("self", "args", "kwargs"), one_thread, locks),
        wrap(LOADER, "Jinja2Loader.all", plugin_lock.locked_iteration, ("self", "args", "kwargs"), one_thread, locks),
        wrap(
            LOADER, "PluginLoader._load_config_defs", definitions.load_config_defs, ("self", "name", "module", "path"),
            "documentation that nobody asks for is not parsed", "upstream parses it when it is wanted",
        ),
        stand_in(
            COLLECTIONS, "_meta_yml_to_dict", routing.meta_yml_to_dict, "the same text is parsed once", ("yaml_string_data", "content_id")
        ),
        wrap(LOADER, "PluginLoader.add_directory", patches.add_directory, ("self", "directory", "with_subdir"), replayed),
        wrap(VARIABLES, "VariableManager.get_vars", patches.get_vars, get_vars, "a worker first applies what it noted of the host"),
        *(
            wrap(VARIABLES, f"VariableManager.{name}", patches.host_mutator(name), ("self", *parameters), replayed)
            for name, parameters in (
                ("set_host_facts", ("host", "facts")),
                ("set_nonpersistent_facts", ("host", "facts")),
                ("set_host_variable", ("host", "varname", "value")),
                ("clear_facts", ("hostname",)),
            )
        ),
        *additions,
        *(
            wrap(INVENTORY, f"InventoryManager.{name}", patches.mutator("inventory", name), signature, replayed)
            for name, signature in (
                ("restrict_to_hosts", ("self", "restriction")),
                ("remove_restriction", ("self",)),
                ("subset", ("self", "subset_pattern")),
            )
        ),
        wrap(INVENTORY, "InventoryManager.refresh_inventory", patches.refresh_inventory, ("self",), "the workers start anew"),
        wrap(GROUP, "Group._walk_relationship", group_order.walk_relationship, WALK, "workers order groups as it does", addresses),
        wrap(DATA, "DataLoader.set_basedir", patches.mutator("loader", "set_basedir"), ("self", "basedir"), replayed),
        wrap(STRATEGY, "StrategyBase.__init__", patches.strategy_init, ("self", "tqm"), "results wake us; lazy variables"),
        wrap(STRATEGY, "StrategyBase.add_tqm_variables", patches.add_tqm_variables, ("self", "vars", "play"), "lazy variables stay lazy"),
        wrap(
            STRATEGY, "StrategyBase._execute_meta", patches.execute_meta, ("self", "task", "play_context", "iterator", "target_host"),
            "reset_connection concerns the worker that has the connection",
        ),
        wrap(TQM, "TaskQueueManager.cleanup", patches.cleanup, ("self",), "the end of a run ends the workers"),
        stand_in(STRATEGY, "WorkerProcess", patches.worker_process, "a host-task is a job of a persistent worker", worker_init),
        stand_in(STRATEGY, "time", patches.clock, "wait for a result, not for a time"),
        stand_in("ansible.plugins.strategy.free", "time", patches.clock, "wait for a result, not for a time"),
    )  # fmt: skip
