"""[controller, worker] What differs between families of ansible-core releases for the engine, as one small interface."""

from __future__ import annotations

import abc
from collections.abc import Callable, Hashable, Iterable
from typing import Any, Optional

from mitopatch.versions import copies, streams, wrapped


class Family(abc.ABC):
    """Implemented once per family head (``v2_11``, ``v2_15``, ``v2_19``, ``v2_21``)."""

    #: Whether each process of upstream's keeps book of the warnings it has shown (see `warned`).
    keeps_books = False
    #: The module that words the exceptions of modules on the target; none where the interpreter's traceback is all there is.
    module_loader: Optional[str] = None
    #: The package in which AnsiballZ puts modules that belong to none.
    nameless_modules = "ansible.modules"
    #: Whether ``ansible_python_interpreter`` may be a program with arguments.
    interpreter_arguments = True
    #: The decorator in upstream's ssh plugin that takes away what it has answered ssh with (SSH_ASKPASS); None if it has no such way.
    askpass_end: Optional[str] = None

    @abc.abstractmethod
    def upstream_worker(self, original: Any, arguments: dict[str, Any]) -> Any:
        """[controller] Construct upstream's own WorkerProcess."""

    @abc.abstractmethod
    def send_unreachable(self, final_q: Any, host: Any, task: Any, message: str) -> None:
        """[controller] Put the result of a host-task whose worker died on the final queue."""

    @abc.abstractmethod
    def run(self, thread_worker: Any) -> None:
        """[worker] Run a task on this thread, in the surroundings that ``WorkerProcess.run`` gives it."""

    def fact_cache(self, manager: Any) -> Any:
        """[controller, worker] The fact cache plugin of a variable manager; None if there is none."""
        return manager._fact_cache

    def set_fact_cache(self, manager: Any, overlay: Any) -> None:
        """[worker] Put ``overlay`` in place of the plugin."""
        manager._fact_cache = overlay

    def cache_keys(self, manager: Any, hosts: Iterable[str]) -> Iterable[str]:
        """[controller] The keys that the plugin has for these hosts."""
        return hosts

    def templar(self, loader: Any, variables: dict[str, Any]) -> Any:
        """[worker] The templating engine over some variables."""
        from ansible.template import Templar

        return Templar(loader=loader, variables=variables)

    def environment(self) -> Any:
        """[worker] The class of the environments in which templates are compiled."""
        from ansible.template import AnsibleEnvironment

        return AnsibleEnvironment

    def template_mark(self, source: Any) -> Hashable:
        """[worker] What tells two templates of one text apart."""
        return None

    def values(self) -> tuple[tuple[type, ...], tuple[type, ...]]:
        """[worker] This release's own kinds of texts and numbers, and of dictionaries and lists."""
        from ansible.parsing.yaml import objects
        from ansible.utils import unsafe_proxy

        # What is encrypted is text, too: its copy would have secrets of its own.
        texts = (objects.AnsibleUnicode, objects.AnsibleVaultEncryptedUnicode)
        marked = (unsafe_proxy.AnsibleUnsafeText, unsafe_proxy.AnsibleUnsafeBytes)
        return texts + marked, (objects.AnsibleMapping, objects.AnsibleSequence)

    def reducers(self) -> dict[type, Callable[[Any], Any]]:
        """[controller, worker] How instances of this release's classes are pickled, if not as they say themselves."""
        return {}

    def warnings(self) -> int:
        """[worker] Of how many things the task on this thread has warned, where its result tells them."""
        return 0

    def start(self, worker: Any) -> None:  # noqa: B027 - most families do nothing
        """[worker] What a worker of this family does once, before its first task."""

    def own_task(self, task: Any) -> Any:
        """[worker] A copy of a squashed task for one host."""
        return copies.own_task(task)

    def match(self, inventory: Any, play: Any) -> None:  # noqa: B027 - before 2.19 a warning is the controller's, who says it once
        """[worker] Before the first task of a play: find its hosts, as the controller has done, so that no task does."""

    @abc.abstractmethod
    def mark(self, value: Any) -> Any:
        """[controller, worker] What of a variable's value is no type of Python's, as ``runtime.digest`` wants it told."""

    def sshpass(self, plugin: Any, words: list[str]) -> tuple[list[str], list[str]]:
        """[worker] The words of ssh, and those of sshpass before them: of what upstream's ssh plugin has built."""
        from mitopatch.versions import ssh_line

        return ssh_line.before(words)

    def anchors(self, tqm: Any) -> dict[Hashable, Any]:
        """[controller] What only this family has on both sides, for the log of mutations."""
        return {}


class PositionalFamily(Family):
    """Up to 2.18: workers are constructed by position; results are TaskResult objects that hold a dictionary."""

    keeps_books = True
    parameters: tuple[str, ...] = (
        "final_q", "task_vars", "host", "task", "play_context", "loader", "variable_manager", "shared_loader_obj", "worker_id",
    )  # fmt: skip

    def upstream_worker(self, original: Any, arguments: dict[str, Any]) -> Any:
        return original(*(arguments[name] for name in self.parameters))

    def send_unreachable(self, final_q: Any, host: Any, task: Any, message: str) -> None:
        # Source: WorkerProcess._run on AnsibleConnectionFailure (2.11 to 2.18).
        final_q.send_task_result(
            host.name, task._uuid, {"unreachable": True, "changed": False, "msg": message}, task_fields=task.dump_attrs()
        )

    def reducers(self) -> dict[type, Callable[[Any], Any]]:
        from ansible.utils.unsafe_proxy import AnsibleUnsafeText

        from mitopatch.versions import unsafe

        return {AnsibleUnsafeText: unsafe.reduced}

    def start(self, worker: Any) -> None:
        from mitopatch.versions import literals, unsafe, vars_files, vaults

        unsafe.install(*unsafe.MARKED)
        literals.install()
        vaults.install()
        vars_files.install_texts(worker.deepcopy)

    def run(self, thread_worker: Any) -> None:
        thread_worker._run()

    def mark(self, value: Any) -> Any:
        # Text that may not be templated is of a class of its own. What is encrypted would be decrypted by any look at it.
        from ansible.parsing.yaml.objects import AnsibleVaultEncryptedUnicode

        return ("vault", value._ciphertext) if isinstance(value, AnsibleVaultEncryptedUnicode) else None

    def fact_cache(self, manager: Any) -> Any:
        # FactCache (2.11 to 2.18) holds the plugin; where the plugin could not be loaded there is a plain dictionary.
        return getattr(manager._fact_cache, "_plugin", None)

    def set_fact_cache(self, manager: Any, overlay: Any) -> None:
        manager._fact_cache._plugin = overlay


class KeywordFamily(Family):
    """From 2.19: workers are constructed by keyword, leave the terminal, and run a task in an ambient context."""

    module_loader = "ansible.module_utils._internal._ansiballz._loader"
    nameless_modules = "ansible.legacy"
    interpreter_arguments = False
    askpass_end = "_clean_shm"

    def upstream_worker(self, original: Any, arguments: dict[str, Any]) -> Any:
        return original(**arguments)

    def match(self, inventory: Any, play: Any) -> None:
        # What is warned of while a task runs is in its result. The inventory remembers a pattern; the controller has warned of it.
        with self._warnings()(variables={}):
            inventory.get_hosts(pattern=play.hosts or "all", ignore_restrictions=True)

    @staticmethod
    def _warnings() -> Any:
        try:
            from ansible._internal._display_utils import DeferredWarningContext
        except ImportError:  # the first of 2.19
            from ansible.utils.display import _DeferredWarningContext as DeferredWarningContext
        return DeferredWarningContext

    def warnings(self) -> int:
        found = self._warnings().current(optional=True)
        return 0 if found is None else len(found.get_warnings()) + len(found.get_deprecation_warnings())

    def fact_cache(self, manager: Any) -> Any:
        cache = manager._fact_cache
        return cache.__wrapped__ if self._encodes(cache) else cache

    def set_fact_cache(self, manager: Any, overlay: Any) -> None:
        cache = manager._fact_cache
        manager._fact_cache = type(cache)(overlay) if self._encodes(cache) else overlay

    def cache_keys(self, manager: Any, hosts: Iterable[str]) -> Iterable[str]:
        cache = manager._fact_cache
        return [cache._get_key(host) for host in hosts] if self._encodes(cache) else hosts

    @staticmethod
    def _encodes(cache: Any) -> bool:
        # Around a persistent plugin: what is read is not the object that was set, but what JSON has made of it.
        from ansible._internal._plugins._cache import PluginInterposer

        return type(cache) is PluginInterposer

    def templar(self, loader: Any, variables: dict[str, Any]) -> Any:
        # Templar warns of what ansible_mitogen reads of it when it resets a connection.
        from ansible._internal._templating._engine import TemplateEngine

        return TemplateEngine(loader=loader, variables=variables)

    def environment(self) -> Any:
        from ansible._internal._templating._jinja_bits import AnsibleEnvironment

        return AnsibleEnvironment

    def values(self) -> tuple[tuple[type, ...], tuple[type, ...]]:
        from ansible.module_utils._internal import _datatag as tagged

        atoms = (tagged._AnsibleTaggedStr, tagged._AnsibleTaggedBytes, tagged._AnsibleTaggedInt, tagged._AnsibleTaggedFloat)
        return atoms, (tagged._AnsibleTaggedDict, tagged._AnsibleTaggedList)

    def template_mark(self, source: Any) -> Hashable:
        # Tags go into what is compiled, and say whether a template inside a template may be one; escapes are a matter of the moment.
        from ansible._internal._templating._jinja_bits import AnsibleEnvironment, _TemplateCompileContext
        from ansible.module_utils._internal._datatag import AnsibleTagHelper

        if AnsibleEnvironment._debuggable_template_source:
            return object()  # a file is written for each
        context = _TemplateCompileContext.current(optional=True)
        return AnsibleTagHelper.tags(source), None if context is None else context.escape_backslashes

    def mark(self, value: Any) -> Any:
        # Tags say where a value comes from, whether it may be templated, whether its use is deprecated.
        from ansible.module_utils._internal._datatag import AnsibleTagHelper
        from ansible.parsing.vault import EncryptedString

        tags = AnsibleTagHelper.tags(value)
        if isinstance(value, EncryptedString):
            return "vault", [value._ciphertext, tags]
        return ("tagged", [AnsibleTagHelper.as_native_type(value), tags]) if tags else None

    def reducers(self) -> dict[type, Callable[[Any], Any]]:
        from mitopatch.versions import tagged

        return tagged.reducers()

    def start(self, worker: Any) -> None:
        from mitopatch.versions import unsafe

        streams.detach()
        unsafe.install(*unsafe.UNMARKED)
        wrapped.install()

    def run(self, thread_worker: Any) -> None:
        streams.begin()
        with self.context(thread_worker):
            try:
                thread_worker._run()
            finally:
                wrapped.forget()

    @abc.abstractmethod
    def context(self, thread_worker: Any) -> Any:
        """[worker] The ambient context of a task (``WorkerProcess.run``)."""
