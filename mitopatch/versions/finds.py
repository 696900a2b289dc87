"""[worker] Which file a plugin's name means is looked up once for all hosts of a task: a seventh of what a small task costs (2.16).

Upstream imports packages, reads routing and lists a directory for each look-up of a qualified name, seven of them for a host-task; each
system call also lets another thread run. What was found is good for the tasks of one number; for the next, if its directory is as it was.
Only plain finds are kept: what warns, redirects, is deprecated or is not found is looked up each time.

A filter or test of Jinja's own is an exception: each environment, hence each host-task, first looks for a plugin of that name in all
modules of ansible.builtin, "extremely slow for something that won't ever succeed" (upstream's words, 2.16): 0.4 ms for each name.
"""

from __future__ import annotations

import os
from collections.abc import Hashable
from typing import Any, NamedTuple, Optional

from ansible.plugins.loader import Jinja2Loader, PluginLoader

from mitopatch.runtime.bounded import Bounded
from mitopatch.versions import plugin_files, plugin_lock
from mitopatch.versions.threads import current_task

#: Finds that are kept.
MOST = 2000


class Find(NamedTuple):
    """One answer, for which task it was seen to be right, and how the directory was."""

    context: Any
    task: int
    state: plugin_files.State


def _state(path: str) -> Optional[plugin_files.State]:
    try:
        return plugin_files.state_of(os.stat(os.path.dirname(path)))
    except OSError:
        return None


def plain(name: str, context: Any) -> bool:
    """Whether nothing but the plugin's file came of this look-up."""
    names = context.redirect_list
    if len(names) > 1 and not (len(names) == 2 and "." not in name and names[1].endswith("." + name)):
        return False
    return bool(
        context.resolved
        and context.plugin_resolved_path
        and not context.deprecated
        and not context.error_list
        and not context.import_error_list
        and not os.path.basename(context.plugin_resolved_path).startswith("_")
    )


def install() -> None:
    """Put it in place; this process is a worker for the rest of its life."""
    find = PluginLoader.find_plugin_with_context
    known: dict[Hashable, Find] = Bounded(MOST)
    seen = plugin_lock.generation

    def find_once(
        self: Any, name: Any, mod_type: str = "", ignore_deprecated: bool = False, check_aliases: bool = False, collection_list: Any = None
    ) -> Any:
        nonlocal seen
        prepared = current_task()
        if prepared is None or not isinstance(name, str):
            return find(self, name, mod_type, ignore_deprecated, check_aliases, collection_list)
        generation = plugin_lock.generation
        if seen != generation:
            known.clear()
            seen = generation
        collections = tuple(collection_list) if collection_list else None
        key = (id(self), name, mod_type, ignore_deprecated, check_aliases, collections)
        task = prepared.job.task
        kept = known.get(key)
        if kept is not None:
            if kept.task == task:
                return kept.context
            if _state(kept.context.plugin_resolved_path) == kept.state:
                known[key] = kept._replace(task=task)
                return kept.context
        context = find(self, name, mod_type, ignore_deprecated, check_aliases, collection_list)
        if plain(name, context):
            state = _state(context.plugin_resolved_path)
            if state is not None and generation == plugin_lock.generation:
                known[key] = Find(context, task, state)
        return context

    PluginLoader.find_plugin_with_context = find_once
    if hasattr(Jinja2Loader, "get_contained_plugins"):  # from 2.14 on a loader gives single filters
        _install_filters()


class Missing(NamedTuple):
    """A name without a plugin: what upstream raised, None if it returned none."""

    error: Optional[KeyError]


def _install_filters() -> None:
    get = Jinja2Loader.get
    missing: dict[Hashable, Missing] = Bounded(MOST)
    found: dict[Hashable, Find] = Bounded(MOST)
    seen = plugin_lock.generation

    def get_once(self: Any, name: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal seen
        prepared = current_task()
        if args or kwargs or prepared is None or not isinstance(name, str):
            return get(self, name, *args, **kwargs)
        generation = plugin_lock.generation
        if seen != generation:
            missing.clear()
            found.clear()
            seen = generation
        key, task = (id(self), name), prepared.job.task
        none, one = missing.get(key), found.get(key)
        if none is not None:
            if none.error is None:
                return None
            raise KeyError(*none.error.args)
        if one is not None and (one.task == task or _state(one.context._original_path) == one.state):
            found[key] = one._replace(task=task)
            return one.context
        # A short name without a plugin among those that are loaded at the start stands for one of ansible.builtin, which stays as it is.
        short = "." not in name
        try:
            plugin = get(self, name)
        except KeyError as exc:
            if short:
                missing[key] = Missing(exc)
            raise
        if plugin is None:
            if short:
                missing[key] = Missing(None)
        elif getattr(plugin, "ansible_name", None) == name and not short:  # no redirect, which is told each time
            state = _state(getattr(plugin, "_original_path", None) or "")
            if state is not None and generation == plugin_lock.generation:
                found[key] = Find(plugin, task, state)
        return plugin

    Jinja2Loader.get = get_once
