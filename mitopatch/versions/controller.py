"""[controller] The engine's view of Ansible in the top process: forking, naming, the final queue, warnings."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, Optional

from ansible.inventory.group import Group
from ansible.inventory.host import Host
from ansible.playbook.base import FieldAttributeBase
from ansible.playbook.play_context import PlayContext
from ansible.playbook.role import Role
from ansible.plugins import loader as plugin_loader
from ansible.utils.display import Display
from ansible.utils.multiprocessing import context as multiprocessing_context

from mitopatch.runtime.seam import ControllerSeam
from mitopatch.versions import check, facts
from mitopatch.versions.family import Family
from mitopatch.versions.lazy import LazyVariables
from mitopatch.versions.warned import Books

display = Display()

#: The state of no play: (play's number, hosts, all hosts, removed hosts, (failed, unreachable), name of the implicit localhost).
NO_STATE: tuple[Any, ...] = (0, (), (), (), ((), ()), None)


def work() -> Any:
    """[controller, worker] The worker's module, imported late."""
    # Late: it imports Mitogen (0.4 s), which a run without a task for a worker never needs. Before the first fork: once.
    from mitopatch.versions import work as module

    return module


class Controller(ControllerSeam):
    """The controller seam over one TaskQueueManager."""

    def __init__(self, tqm: Any, kind: Family) -> None:
        self.family = kind
        self.tqm = tqm
        self.final_q = tqm._final_q
        self.state: tuple[Any, ...] = NO_STATE
        manager = tqm.get_variable_manager()
        self.anchors: dict[Hashable, Any] = {
            "loader": tqm.get_loader(),
            "variables": manager,
            "inventory": tqm.get_inventory(),
            "inventory data": getattr(tqm.get_inventory(), "_inventory", None),
            "display": display,
            **kind.anchors(tqm),
        }
        self.books = Books(display) if kind.keeps_books else None
        if self.books is not None:
            self.anchors["books"] = self.books
        for name, value in vars(plugin_loader).items():
            if isinstance(value, plugin_loader.PluginLoader):
                self.anchors["loader of plugins", name] = value
        #: What the fact cache had at the last fork; a worker begins with it.
        self.cached: Optional[facts.Cached] = None
        #: The hosts of which the workers know what the cache had.
        self._cached_hosts: set[str] = set()
        mode = check.wanted()
        #: Under MITOPATCH_CHECK, what computes the digests; workers inherit it.
        self.checker = check.Checker(mode, os.urandom(32), kind, manager, self.anchors["inventory"]) if mode else None
        self._names = {id(value): name for name, value in self.anchors.items() if value is not None}

    def process(self, target: Any, arguments: tuple[Any, ...]) -> Any:
        return multiprocessing_context.Process(target=target, args=arguments)

    @contextlib.contextmanager
    def fork_guard(self) -> Iterator[None]:
        self._cached_hosts.update(self.state[2])
        self.cached = self._read(self._cached_hosts)
        lock = getattr(display, "_lock", None)
        with lock if lock is not None else contextlib.nullcontext():
            yield

    def _read(self, hosts: Iterable[str]) -> Optional[facts.Cached]:
        manager = self.anchors["variables"]
        plugin = self.family.fact_cache(manager)
        return facts.read(plugin, self.family.cache_keys(manager, hosts)) if plugin is not None else None

    def further_facts(self, hosts: Iterable[str]) -> Optional[facts.Cached]:
        """What the fact cache has of those of these hosts of which the workers do not know it yet; None if there are none."""
        further = [host for host in hosts if host not in self._cached_hosts]
        self._cached_hosts.update(further)
        return self._read(further) if further else None

    def shared_kinds(self) -> tuple[type, ...]:
        return (FieldAttributeBase, Role, PlayContext)

    def reducers(self) -> dict[type, Callable[[Any], Any]]:
        return self.family.reducers()

    def name_of(self, obj: Any) -> Optional[Hashable]:
        name = self._names.get(id(obj))
        if name is not None:
            return name
        if isinstance(obj, LazyVariables):
            return "variables"
        if isinstance(obj, Host):
            return ("host", obj.name) if self.anchors["inventory"].hosts.get(obj.name) is obj else None
        if isinstance(obj, Group):
            return ("group", obj.name) if self.anchors["inventory"].groups.get(obj.name) is obj else None
        return None

    def by_name(self, name: Hashable) -> Any:
        if isinstance(name, tuple) and name[0] == "host":
            return self.anchors["inventory"].get_host(name[1])
        if isinstance(name, tuple) and name[0] == "group":
            return self.anchors["inventory"].groups[name[1]]
        return self.anchors[name]

    def forward(self, data: bytes) -> None:
        queue = self.final_q
        semaphore = getattr(queue, "_sem", None)
        if semaphore is not None:  # 2.11 to 2.15: Queue, whose get() releases what put() acquired
            semaphore.acquire()
        with queue._wlock:
            queue._writer.send_bytes(data)

    def lost(self, host: str, task: Any, message: str) -> None:
        self.family.send_unreachable(self.final_q, self.anchors["inventory"].get_host(host), task, message)

    def warn(self, message: str) -> None:
        display.warning(message)

    def enter_worker(self, channel: Any, registry: Any) -> Any:
        # The fork happened under fork_guard, and its `with` never ends here: from 2.15 whoever prints on another thread
        # would wait for this one for ever.
        lock = getattr(display, "_lock", None)
        if lock is not None:
            lock.release()
        return work().Worker(self, channel, registry)
