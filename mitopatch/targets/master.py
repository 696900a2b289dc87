"""[worker] Mitogen's master inside a worker.

Router, broker and services live in the worker whose tasks use them, so a task's request to them is a method call and
nothing listens on a socket. This is ansible_mitogen's own interface for another process model
(``ansible_mitogen.process.WorkerModel`` and ``Binding``); its connection and action plugins do not know the difference.
"""

from __future__ import annotations

import logging
import os
import resource
import threading
from typing import Any, Callable, NamedTuple, Optional

import mitopatch.targets.release  # noqa: F401 - before ansible_mitogen

import ansible_mitogen.connection
import ansible_mitogen.loaders
import ansible_mitogen.logging
import ansible_mitogen.process
import ansible_mitogen.services
import ansible_mitogen.strategy
import ansible_mitogen.target
import mitogen.core
import mitogen.master
import mitogen.service
from ansible_mitogen.utils import unsafe

from mitopatch.targets import (
    actions,
    bringup,
    core_source,
    discovery,
    hops,
    imports,
    logs,
    onboard,
    planner,
    served,
    ssh_words,
    terminals,
    trust,
    turns,
)

LOG = logging.getLogger(__name__)

#: Threads that serve requests of targets (files, module dependencies); connections are made by the task's own thread.
SERVICE_THREADS = 8
#: File descriptors that one target may need at its worst moment (streams, standard error, a latch).
DESCRIPTORS_PER_HOST = 12


class _Found(NamedTuple):
    """Stands for the latch from which a connection that there is already would be got."""

    response: dict[str, Any]

    def get(self) -> dict[str, Any]:
        return self.response


class ContextService(ansible_mitogen.services.ContextService):  # type: ignore[misc]
    """ansible_mitogen's register of connections, made safe for callers on many threads.

    It answers the waiting callers before it records the answer; a caller in between would connect a second time.
    One lock per set of parameters closes that gap: other targets connect meanwhile.
    """

    ALWAYS_PRELOAD = (*ansible_mitogen.services.ContextService.ALWAYS_PRELOAD, hops.__name__, onboard.__name__)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._gates_lock = threading.Lock()
        self._gates: dict[str, Any] = {}
        self._ahead: Optional[bringup.Ahead] = None
        #: By connection: a target that was disconnected while nobody waited for it.
        self._untold: dict[str, trust.Peer] = {}
        #: Contexts that have started those of other users, or tried.
        self._hops: set[Any] = set()
        #: By thread: how many interpreters are still to be reached, beyond the one that is being connected.
        self._stack = threading.local()

    @classmethod
    def name(cls) -> str:
        """The name under which ansible_mitogen's plugins ask for it."""
        return "ansible_mitogen.services.ContextService"

    def _wait_or_start(self, spec: Any, via: Any = None) -> Any:
        key = ansible_mitogen.services.key_from_dict(via=via, **spec)
        self._stack.left -= 1
        with self._gate(key):
            peer = self._untold.pop(key, None)
            if peer is not None and not peer.told:
                raise mitogen.core.StreamError(self.router.tell(peer.number))
            with self._lock:
                response = self._response_by_key.get(key)
                if response is not None:
                    self._refs_by_context[response["context"]] += 1
                    return _Found(response)
            return super()._wait_or_start(spec, via=via)

    def _connect(self, key: Any, spec: Any, via: Any = None) -> Any:
        if self._ahead is None:  # two would do no harm
            self._ahead = bringup.Ahead(self.router, self.ALWAYS_PRELOAD)
            self._ahead.start()
        if via is not None and "mitopatch_beside" not in spec:
            self._hops.add(via)
        try:
            return super()._connect(key, spec, via=via)
        except mitogen.core.ChannelError:
            for context in filter(None, (self.router.connected, via)):
                text = self.router.tell(context.context_id)
                if text is not None:
                    raise mitogen.core.StreamError(text) from None
            raise

    def _forget_context_unlocked(self, context: Any) -> None:
        peer = self.router.refused(context.context_id)
        if peer is not None and context in self._key_by_context:
            self._untold[self._key_by_context[context]] = peer
        super()._forget_context_unlocked(context)

    def _get_candidate_temp_dirs(self) -> Any:
        # What `hops.init_child` is told.
        paths = None if self._stack.left else super()._get_candidate_temp_dirs()
        return paths, self.router.id_allocator.block_for(self.router.connected.context_id)

    @mitogen.service.expose(policy=mitogen.service.AllowParents())  # type: ignore[untyped-decorator,unused-ignore]
    def get(self, stack: Any) -> Any:
        """See the base class; the last of these is where the task is, or, if that is a hop already, one that the hop starts beside it."""
        response = self._get(stack)
        context = response["context"]
        if context is None or (response["init_child_result"] is not None and context not in self._hops):
            return response
        # A hop stays closed to other processes of its account (`hops.hide`), which an interpreter that runs modules cannot be.
        beside = {"method": "local", "kwargs": {"python_path": stack[-1]["kwargs"]["python_path"]}, "mitopatch_beside": True}
        return self._get([*stack, beside])

    def _get(self, stack: Any) -> Any:
        self._stack.left = len(stack)
        return super().get(stack=stack)

    def _gate(self, key: str) -> Any:
        with self._gates_lock:
            return self._gates.setdefault(key, threading.Lock())

    @mitogen.service.expose(policy=mitogen.service.AllowParents())  # type: ignore[untyped-decorator,unused-ignore]
    def put(self, context: Any) -> None:
        """See the base class, which warns of contexts that have ended in the meantime."""
        with self._lock:
            known = context in self._refs_by_context
        if known:
            super().put(context=context)

    @mitogen.service.expose(policy=mitogen.service.AllowParents())  # type: ignore[untyped-decorator,unused-ignore]
    def reset(self, stack: Any) -> bool:
        """See the base class; of all the interpreters that the connection has (see `turns`)."""
        lanes = range(turns.lanes(stack)) if stack else ()
        found = [super(ContextService, self).reset(stack=turns.in_lane(stack, lane)) for lane in lanes]
        return any(found)

    @mitogen.service.expose(policy=mitogen.service.AllowParents())  # type: ignore[untyped-decorator,unused-ignore]
    def forget(self, context: Any) -> None:
        """A context has ended: the next task connects anew."""
        with self._lock:
            self._forget_context_unlocked(context)


class ModuleDepService(ansible_mitogen.services.ModuleDepService):  # type: ignore[misc]
    """ansible_mitogen's scanner of module dependencies, one scan at a time."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._scan_lock = threading.Lock()
        self._paths: dict[Any, str] = {}

    @classmethod
    def name(cls) -> str:
        """The name under which ansible_mitogen's planner asks for it."""
        return "ansible_mitogen.services.ModuleDepService"

    @mitogen.service.expose(policy=mitogen.service.AllowParents())  # type: ignore[untyped-decorator,unused-ignore]
    def scan(self, **kwargs: Any) -> Any:
        """See the base class, which knows modules by name only: roles and playbooks have different ones of one name."""
        key = (kwargs["module_name"], kwargs["search_path"])
        with self._scan_lock:
            if self._paths.setdefault(key, kwargs["module_path"]) != kwargs["module_path"]:
                self._paths[key] = kwargs["module_path"]
                self._cache.pop(key, None)
            return super().scan(**kwargs)


class _Binding(ansible_mitogen.process.Binding):  # type: ignore[misc]
    def __init__(self, master: Master) -> None:
        self._master = master

    def get_child_service_context(self) -> Any:
        return self._master.myself

    def get_service_context(self) -> None:
        return None  # this process

    def close(self) -> None:
        return None  # connections live as long as the worker


class _Model(ansible_mitogen.process.WorkerModel):  # type: ignore[misc]
    def __init__(self, master: Master) -> None:
        self._binding = _Binding(master)

    def on_strategy_start(self) -> None:
        return None

    def on_strategy_complete(self) -> None:
        return None

    def get_binding(self, inventory_name: str) -> _Binding:
        return self._binding


class Master:
    """The connections of one worker. Made after the fork, before the first task."""

    #: Connection plugins that Mitogen replaces, by upstream's short name.
    connections = frozenset(ansible_mitogen.strategy.REDIRECTED_CONNECTION_PLUGINS)

    def __init__(self, hosts: int) -> None:
        """``hosts``: number of hosts in the inventory, for the limit of open files."""
        _raise_file_limit(hosts)
        self.turns = turns.Turns()
        ansible_mitogen.process.MuxProcess.cls_original_env = dict(os.environ)
        ansible_mitogen.logging.set_process_name("mitopatch")
        ansible_mitogen.logging.setup()
        logs.watch(ansible_mitogen.logging.LOGGERS)
        self._broker = mitogen.master.Broker(install_watcher=False)
        self.router = trust.Router(self._broker)
        self.myself = self.router.myself()
        ansible_mitogen.process._setup_responder(self.router.responder)
        self.router.responder.whitelist_prefix("mitopatch")
        mitogen.core.DelimitedProtocol.on_receive = logs.on_receive
        mitogen.service.Pool = served.Pool
        self._pool = mitogen.service.get_or_create_pool(size=SERVICE_THREADS, router=self.router)
        self._files = served.FileService(self.router)
        self._pool.add(self._files)
        for service in (served.PushFileService, ContextService, ModuleDepService):
            self._pool.add(service(router=self.router))
        ansible_mitogen.process.set_worker_model(_Model(self))

    def install(
        self,
        connection: Any,
        modules: planner.Modules,
        on_connect: Callable[[], None],
        on_failure: Callable[[], Any],
        on_busy: Callable[[], Any],
        on_action: Callable[[type], None],
        on_command: Callable[[Any, str, bool], None],
        not_mitogens: Callable[[Any, type], bool],
        upstream_connection: Callable[[Any], Any],
        ssh_line: Callable[[Any], dict[str, Any]],
        ssh_ask: ssh_words.Ask,
        ssh_reset: Callable[[Any], None],
    ) -> None:
        """Install ansible_mitogen's plugin wrappers in this process.

        ``connection`` replaces ``connection_loader.get_with_context``; ``modules`` answers questions about modules;
        ``on_connect`` is told that a task has reached its target, ``on_failure`` that Mitogen could not connect and ``on_busy`` that
        another task keeps the target busy (all but ``on_connect`` may raise HandBack), ``on_action`` that an action plugin of some
        class begins, ``on_command`` a command on a connection. ``not_mitogens`` and ``upstream_connection``: see `actions.tell`;
        ``ssh_line``, ``ssh_ask`` and ``ssh_reset``: see `ssh_words.install`.
        """
        wrappers = ansible_mitogen.strategy.AnsibleWrappers()
        wrappers._add_plugin_paths()
        ansible_mitogen.loaders.action_loader.get_with_context = actions.get_with_context
        ansible_mitogen.loaders.connection_loader.get_with_context = connection
        found = discovery.Found(modules.first_python)
        turns.install(self.turns, on_connect, on_failure, on_busy, found, trust.install(self.router))
        self._directory_that_targets_can_read()
        # As upstream's plugins say; ansible_mitogen sets it while it looks for an interpreter, and takes it back.
        ansible_mitogen.connection.Connection.has_pipelining = property(lambda self: True, lambda self, value: None)
        ContextService.ALWAYS_PRELOAD = (*ContextService.ALWAYS_PRELOAD, *modules.other_names)
        actions.tell(on_action, not_mitogens, upstream_connection, found)
        planner.install(modules)
        imports.install()
        bringup.install()
        core_source.install()
        ssh_words.install(ssh_line, ssh_ask, on_failure, ssh_reset)
        self._never_connected_over_ssh()
        self._terminal_where_upstream_has_one(on_command)
        self._files_of_this_connection_alone()

    @staticmethod
    def _directory_that_targets_can_read() -> None:
        # Local modules start in the playbook's directory. Where that is a setting (``playbook_dir`` of the command ansible), it
        # knows from 2.19 where it was set, and is of a class that a target cannot unpickle.
        upstream = ansible_mitogen.connection.Connection.on_action_run

        def on_action_run(self: Any, task_vars: Any, delegate_to_hostname: Any, loader_basedir: Any) -> None:
            upstream(self, task_vars, delegate_to_hostname, unsafe.cast(loader_basedir))

        ansible_mitogen.connection.Connection.on_action_run = on_action_run

    @staticmethod
    def _never_connected_over_ssh() -> None:
        # As upstream's plugin says. Up to 2.12 a loop keeps the connection of its first item, with whom that becomes, while it says
        # that it is connected (TaskExecutor._execute).
        klass = ansible_mitogen.connection.Connection
        upstream = klass._connect

        def connect(self: Any) -> None:
            if self.context is None:
                upstream(self)

        klass.connected = property(lambda self: self.context is not None and self.transport not in terminals.SSH)
        klass._connect = connect

    @staticmethod
    def _terminal_where_upstream_has_one(on_command: Callable[[Any, str, bool], None]) -> None:
        # ansible_mitogen gives every command a terminal, as ssh does for some: its output has carriage returns, and its
        # errors ssh's last words.
        def exec_command(self: Any, cmd: Any, in_data: Any = "", sudoable: bool = True, mitogen_chdir: Any = None) -> Any:
            tty = not in_data and sudoable and terminals.given(self)
            # The user's own shell only where sshd would start it: that of a service's account may be one that lets nobody in.
            shell = None if self.transport in terminals.SSH and not self.become else "/bin/sh"
            chain = self.get_chain()
            on_command(self, str(cmd), sudoable)
            rc, stdout, stderr = chain.call(  # nosec B604 # the name of a program: upstream's word for it
                onboard.exec_command,
                shell=shell,
                cmd=unsafe.cast(cmd),
                in_data=unsafe.cast(in_data),
                chdir=mitogen_chdir or self.get_default_cwd(),
                emulate_tty=tty,
            )
            if tty:
                stderr += terminals.last_words(self).encode()
            return rc, stdout, stderr

        ansible_mitogen.connection.Connection.exec_command = exec_command

    def _files_of_this_connection_alone(self) -> None:
        klass = ansible_mitogen.connection.Connection
        upstream, upstream_put = klass.fetch_file, klass.put_file
        router, files = self.router, self._files

        def fetch_file(self: Any, in_path: Any, out_path: Any) -> None:
            self._connect()
            # A small file is sent without waiting for an answer, and what is fetched is read by another thread of the target.
            self.get_chain().call(os.getpid)
            context = self.context
            self.context = router.receiver_from(context)
            try:
                upstream(self, in_path, out_path)
            finally:
                self.context = context

        def put_file(self: Any, in_path: Any, out_path: Any) -> None:
            with files.sending(self):
                upstream_put(self, in_path, out_path)

        klass.fetch_file, klass.put_file = fetch_file, put_file

    def close(self) -> None:
        """Close all connections; targets end their interpreters at end-of-file."""
        # Tasks that are cut off give their connections back to a service that has ended: no news for anybody.
        logging.getLogger("ansible_mitogen").setLevel(logging.CRITICAL)
        self._broker.shutdown()
        self._broker.join()


def _raise_file_limit(hosts: int) -> None:
    # Only where needed: modules on a local connection inherit the limit, and plain Ansible does not raise it.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 256 + hosts * DESCRIPTORS_PER_HOST
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    except (ValueError, OSError):
        LOG.debug("cannot raise the limit of open files to %d", limit)
