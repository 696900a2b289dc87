"""[controller] The functions of Mitogen that mitopatch rests on, and why: plain data. Nothing of Mitogen's is imported here.

`mitopatch.mitogen_release` compares each of them with what the published releases have, before a bundle is put in force. If one is
unknown, the run is plain Ansible.

To add one, write a line and run ``python -m maintenance.drift mitogen``. tests/meta/test_relied_on.py says which are missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

#: The body must be a known one: the protection against targets rests on it, or we re-implement it, or we know what it does next.
BODY = "body"
#: We wrap or call it: the names of its parameters must be known ones.
CALL = "call"

WORKER, TARGET, BOTH = "worker", "target", "worker, target"


class ReliedOn(NamedTuple):
    """[controller] One function, class or value. ``process`` says where it runs: what runs on targets has been sent from here."""

    module: str
    name: str
    checked: str
    process: str
    why: str

    @property
    def key(self) -> str:
        """Return ``module:Symbol``, its name in the table and in messages."""
        return f"{self.module}:{self.name}"


def _in(module: str, process: str, *rows: tuple[str, str, str]) -> Iterator[ReliedOn]:
    return (ReliedOn(module, name, checked, process, why) for checked, name, why in rows)


_SPLIT = "how bytes of a target become messages"
_ORIGIN = "who sent a message is checked where it comes in"
_WHERE = "a target reaches only what lies behind its stream"
_HANDLES = "the numbers of handles that a target can reach are a closed list"
_LOAD = "what a message of a target may be unpickled into"
_NUMBERS = "the numbers that a target may use are those given to its stream"
_SERVICES = "which services a target can reach, and with what arguments"
_FILES = "a target gets the files that are registered for it, and no others"
_MODULES = "a target gets the modules that its tasks need, and no others"
_BOOT = "the program and the command with which an interpreter starts"
_OURS = "ours stands in its place"
_AROUND = "ours runs around it"
_BASE = "a class of ours inherits from it"
_CALLED = "called by us"

RELIED_ON: tuple[ReliedOn, ...] = (
    *_in(
        "mitogen.core", BOTH,
        (BODY, "Router._async_route", _ORIGIN),
        (BODY, "Router._invoke", _HANDLES),
        (BODY, "Router.add_handler", _HANDLES),
        (BODY, "Router.del_handler", _HANDLES),
        (BODY, "Router.route", _ORIGIN),
        (BODY, "Router.register", _WHERE),
        (BODY, "Router.context_by_id", _WHERE),
        (BODY, "Router.stream_by_id", _WHERE),
        (BODY, "Router._on_del_route", _WHERE),
        (BODY, "Router._on_stream_disconnect", "what a lost target leaves behind is forgotten"),
        (BODY, "Router._on_respondent_disconnect", "what a lost target leaves behind is forgotten"),
        (BODY, "Router._maybe_send_dead", "a refused message is answered to its sender alone"),
        (BODY, "Router.__init__", _HANDLES),
        (BODY, "Stream.on_receive", _SPLIT),
        (BODY, "MitogenProtocol.__init__", _SPLIT),
        (BODY, "MitogenProtocol.on_receive", _SPLIT),
        (BODY, "MitogenProtocol._receive_one", _SPLIT),
        (BODY, "MitogenProtocol._send", "what is sent to a target is sent whole, in its order"),
        (BODY, "DelimitedProtocol.on_receive", "how lines that a starting interpreter writes are read"),
        (BODY, "Message.__init__", _ORIGIN),
        (BODY, "Message._find_global", _LOAD),
        (BODY, "Message.unpickle", _LOAD),
        (BODY, "Message.unpickle_iter", _LOAD),
        (BODY, "Message._throw_dead", _LOAD),
        (BODY, "Message._unpickle_context", _LOAD),
        (BODY, "Message._unpickle_sender", _LOAD),
        (BODY, "Message._unpickle_bytes", _LOAD),
        (BODY, "Message.reply", "an answer goes to who asked"),
        (BODY, "Message.pickled", "modules bring their pickle along"),
        (CALL, "Message", "modules bring their pickle along"),
        (BODY, "_unpickle_call_error", _LOAD),
        (BODY, "_unpickle_context", _LOAD),
        (BODY, "_unpickle_sender", _LOAD),
        (BODY, "Kwargs", _LOAD),
        (BODY, "Blob", _LOAD),
        (BODY, "Secret", _LOAD),
        (BODY, "has_parent_authority", _ORIGIN),
        (BODY, "Receiver.__init__", _HANDLES),
        (BODY, "Receiver._on_receive", "an answer is taken from who was asked"),
        (BODY, "Context.send_async", "an answer is taken from who was asked"),
        (BODY, "Dispatcher._parse_request", "which functions the parent of an interpreter has called"),
        (BODY, "Dispatcher._dispatch_one", "which functions the parent of an interpreter has called"),
        (BODY, "ExternalContext.main", _BOOT),
        (BODY, "ExternalContext._setup_master", _BOOT),
        (BODY, "ExternalContext._setup_importer", _BOOT),
        (BODY, "Importer.find_spec", "Python says of a module that Mitogen refuses that there is none"),
        (BODY, "Importer.find_module", "the same in Python 2"),
        (CALL, "Importer", _AROUND),
        (BODY, "ImportPolicy.denied", "Python says of a module that Mitogen refuses that there is none"),
        (CALL, "CallError", "what a function on a target raised"),
        (CALL, "ChannelError", "what tells that a target is gone"),
        (CALL, "import_module", _CALLED),
        (CALL, "takes_econtext", _CALLED),
        (CALL, "to_text", _CALLED),
    ),
    *_in(
        "mitogen.parent", BOTH,
        (BODY, "RouteMonitor", _WHERE),
        (BODY, "Router.upgrade", _HANDLES),
        (BODY, "Router.add_route", _WHERE),
        (BODY, "Router.del_route", _WHERE),
        (BODY, "Router.get_streams", _WHERE),
        (BODY, "Router._connect", _NUMBERS),
        (BODY, "Router.connect", _NUMBERS),
        (BODY, "Router.proxy_connect", _NUMBERS),
        (BODY, "Router._on_detaching", _HANDLES),
        (BODY, "Router.allocate_id", _NUMBERS),
        (BODY, "ChildIdAllocator.__init__", "a hop brings the numbers for its children along"),
        (BODY, "ChildIdAllocator.allocate", "a hop brings the numbers for its children along"),
        (BODY, "Connection.__init__", _NUMBERS),
        (BODY, "Connection._async_connect", _BOOT),
        (BODY, "Connection.start_child", _BOOT),
        (BODY, "Connection._complete_connection", "a stream is registered with the number of its interpreter"),
        (BODY, "Connection.stream_factory", "a stream is registered with the number of its interpreter"),
        (BODY, "Connection._first_stage", _BOOT),
        (BODY, "Connection.get_python_argv", _BOOT),
        (BODY, "Connection.get_boot_command", _BOOT),
        (BODY, "Connection.get_preamble", _BOOT),
        (BODY, "Connection.get_econtext_config", _BOOT),
        (BODY, "Connection.create_child_args", _OURS),
        (BODY, "Connection._on_streams_disconnected", "the process of an interpreter that has ended is kept for its status"),
        (CALL, "Connection", _AROUND),
        (BODY, "BootstrapProtocol", "what a starting interpreter may say"),
        (BODY, "get_core_source_partial", _BOOT),
        (BODY, "_get_core_source", _BOOT),
        (BODY, "inspect", "sources are read once"),
        (BODY, "popen", _OURS),
        (CALL, "create_child", "starts what popen starts"),
        (BODY, "Reaper", "looks sooner whether an interpreter's process has ended"),
        (BODY, "Reaper.reap", "looks sooner whether an interpreter's process has ended"),
        (CALL, "Process.poll", "a process that has been asked for its status keeps it"),
        (CALL, "Process.send_signal", "who ends an interpreter, and when"),
        (BODY, "upgrade_router", "a hop becomes a parent with the numbers that it was given"),
        (BODY, "_proxy_connect", _NUMBERS),
        (BODY, "ModuleForwarder._on_get_module", _MODULES),
        (BODY, "ModuleForwarder._on_forward_module", _MODULES),
        (BODY, "ResourceForwarder._on_get_resource", _MODULES),
        (CALL, "CallChain.call_async", _CALLED),
        (CALL, "CallChain.call_no_reply", _CALLED),
        (CALL, "CallChain.call", _CALLED),
        (CALL, "Context.call", _CALLED),
        (BODY, "Context.shutdown", "who ends an interpreter, and when"),
    ),
    *_in(
        "mitogen.master", WORKER,
        (BODY, "Router.__init__", _HANDLES),
        (BODY, "Router.upgrade", _HANDLES),
        (CALL, "Router", _BASE),
        (CALL, "Broker", _CALLED),
        (BODY, "Broker.shutdown", "the end of a worker ends its targets' interpreters"),
        (BODY, "IdAllocator.__init__", _NUMBERS),
        (BODY, "IdAllocator.allocate", _NUMBERS),
        (BODY, "IdAllocator.allocate_block", _NUMBERS),
        (BODY, "IdAllocator.on_allocate_id", _NUMBERS),
        (BODY, "ModuleFinder.find_related_imports", "what a module imports comes from the cache: here stands the call of compile"),
        (BODY, "ModuleResponder._build_tuple", "modules bring their pickle along"),
        (BODY, "ModuleResponder._on_get_module", _MODULES),
        (BODY, "ModuleResponder._send_module_and_related", "modules are made ahead in its order"),
        (BODY, "ModuleResponder._send_load_module", _MODULES),
        (BODY, "ModuleResponder._send_forward_module", _MODULES),
        (BODY, "ModuleResponder._forward_one_module", _MODULES),
        (CALL, "ModuleResponder.forward_modules", _CALLED),
        (BODY, "ModuleResponder.whitelist_prefix", _MODULES),
        (BODY, "ResourceResponder._on_get_resource", _MODULES),
        (BODY, "LogForwarder._on_forward_log", "what a target may write into our log"),
    ),
    *_in("mitogen.imports", WORKER, (BODY, "codeobj_imports", "what a module imports comes from the cache")),
    *_in("mitogen.minify", WORKER, (BODY, "minimize_source", "the text of a module that is sent comes from the cache")),
    *_in(
        "mitogen.service", BOTH,
        (BODY, "Pool._on_service_call", _SERVICES),
        (BODY, "Pool._validate", _SERVICES),
        (BODY, "Pool.get_invoker", _SERVICES),
        (BODY, "Pool.get_service", _SERVICES),
        (BODY, "Pool._worker_run", _SERVICES),
        (CALL, "Pool.add", _CALLED),
        (BODY, "Invoker._validate", _SERVICES),
        (BODY, "Invoker._invoke", _SERVICES),
        (BODY, "Invoker.invoke", _SERVICES),
        (BODY, "AllowParents.is_authorized", _SERVICES),
        (CALL, "AllowParents", _SERVICES),
        (BODY, "Activator.is_permitted", _SERVICES),
        (BODY, "Activator.activate", _SERVICES),
        (BODY, "Service.name", _SERVICES),
        (BODY, "expose", _SERVICES),
        (BODY, "validate_arg_spec", _SERVICES),
        (CALL, "get_or_create_pool", _CALLED),
        (CALL, "call", _CALLED),
        (CALL, "FileService", _FILES),
        (BODY, "FileService.register", _FILES),
        (BODY, "FileService.register_prefix", _FILES),
        (BODY, "FileService._prefix_is_authorized", _FILES),
        (BODY, "FileService.fetch", _FILES),
        (BODY, "FileService.acknowledge", _FILES),
        (BODY, "FileService._schedule_pending_unlocked", _FILES),
        (BODY, "FileService.get", "a target writes what its parent sends, and checks its size"),
        (CALL, "PushFileService", _FILES),
        (BODY, "PushFileService.store_and_forward", _FILES),
        (BODY, "PushFileService.propagate_paths_and_modules", _FILES),
    ),
    *_in(
        "mitogen.ssh", BOTH,
        (BODY, "Connection.get_boot_command", "ours has a shell wait for the interpreter: its last words are counted"),
        (BODY, "Connection.create_child", _BOOT),
        (CALL, "Options", _BOOT),
    ),
    *_in(
        "mitogen.fork", BOTH,
        (BODY, "Connection.start_child", "a fork of a target's interpreter, for modules that need one"),
        (BODY, "Connection._child_main", "a fork of a target's interpreter, for modules that need one"),
    ),
    *_in(
        "ansible_mitogen.services", WORKER,
        (CALL, "ContextService", _BASE),
        (CALL, "ContextService.__init__", _AROUND),
        (BODY, "ContextService.ALWAYS_PRELOAD", "ours are sent with its modules"),
        (BODY, "ContextService.get", "one interpreter for each set of parameters, also for callers on many threads"),
        (BODY, "ContextService._wait_or_start", "one interpreter for each set of parameters, also for callers on many threads"),
        (BODY, "ContextService._connect", "a target is told its first words here"),
        (BODY, "ContextService._get_candidate_temp_dirs", "a target is told its first words here"),
        (BODY, "ContextService._forget_context_unlocked", "a context that has ended is forgotten"),
        (CALL, "ContextService.put", _AROUND),
        (CALL, "ContextService.reset", _AROUND),
        (CALL, "ModuleDepService", _BASE),
        (CALL, "ModuleDepService.__init__", _AROUND),
        (BODY, "ModuleDepService.scan", "its cache is emptied where two files have one name"),
        (CALL, "key_from_dict", _CALLED),
    ),
    *_in(
        "ansible_mitogen.connection", WORKER,
        (CALL, "Connection", _AROUND),
        (BODY, "Connection._connect", "a connection is made once, and says that it is there when we say so"),
        (BODY, "Connection._build_stack", "its description is what we recognise a connection by"),
        (BODY, "Connection._connect_stack", "a task waits for its turn where the target has been reached"),
        (BODY, "Connection._put_connection", "a task that has ended gives its turn back"),
        (CALL, "Connection.get_chain", _CALLED),
        (CALL, "Connection.on_action_run", _AROUND),
        (BODY, "Connection.connected", _OURS),
        (BODY, "Connection.exec_command", _OURS),
        (BODY, "Connection.put_file", _FILES),
        (BODY, "Connection.put_data", _FILES),
        (BODY, "Connection.fetch_file", "what is fetched is read after what was sent"),
        (BODY, "_connect_ssh", "ssh's command line is upstream's"),
        (BODY, "CallChain._rethrow", "what ends a module is told from what ends a connection"),
    ),
    *_in(
        "ansible_mitogen.target", TARGET,
        (BODY, "init_child", _AROUND),
        (BODY, "run_module", _OURS),
        (BODY, "transfer_file", _FILES),
        (BODY, "get_small_file", _FILES),
        (CALL, "exec_args", _CALLED),
        (CALL, "find_good_temp_dir", _CALLED),
        (CALL, "get_user_shell", _CALLED),
        (CALL, "set_file_mode", _CALLED),
    ),
    *_in(
        "ansible_mitogen.runner", TARGET,
        (CALL, "NewStyleRunner", _BASE),
        (CALL, "NewStyleRunner.__init__", _AROUND),
        (BODY, "NewStyleRunner.setup", "the order in which a module's surroundings are set up"),
        (BODY, "NewStyleRunner.revert", "what a module leaves behind is put back"),
        (BODY, "NewStyleRunner._setup_imports", _OURS),
        (BODY, "NewStyleRunner._setup_module_utils_globals", "what one module leaves in module_utils is not the next one's"),
        (BODY, "NewStyleRunner._get_code", _OURS),
        (BODY, "NewStyleRunner._run_code", "what a module raises is worded as upstream does"),
        (BODY, "NewStyleRunner._run", "what a module has written is its result"),
        (BODY, "Runner.run", "the order in which a module's surroundings are set up"),
        (BODY, "Runner.get_temp_dir", _OURS),
        (BODY, "Runner.revert_temp_dir", "the directory of a module's file is ours to remove"),
        (BODY, "Runner._revert_cwd", _OURS),
        (BODY, "ModuleUtilsImporter.revert", "one importer less for each module that has run"),
        (BODY, "TemporaryEnvironment", _OURS),
    ),
    *_in(
        "ansible_mitogen.planner", WORKER,
        (BODY, "invoke", _OURS),
        (BODY, "_propagate_deps", "a target is sent the files and modules of its tasks"),
        (BODY, "_invoke_isolated_task", "a module that needs a fork of the target's interpreter"),
        (CALL, "Invocation", "what the planner is asked with"),
        (CALL, "Invocation.get_module_source", _CALLED),
        (CALL, "BinaryPlanner.detect", _CALLED),
        (CALL, "NewStylePlanner", _BASE),
        (CALL, "NewStylePlanner.detect", _CALLED),
        (CALL, "NewStylePlanner.should_fork", _CALLED),
        (CALL, "NewStylePlanner.get_search_path", _CALLED),
        (BODY, "NewStylePlanner.get_module_map", _AROUND),
        (BODY, "NewStylePlanner._module_map", _OURS),
        (BODY, "NewStylePlanner.get_kwargs", _OURS),
    ),
    *_in(
        "ansible_mitogen.mixins", WORKER,
        (CALL, "ActionModuleMixin", _BASE),
        (BODY, "ActionModuleMixin.__init__", "an action goes back to upstream's own class as it does"),
        (BODY, "ActionModuleMixin._execute_module", _AROUND),
        (BODY, "ActionModuleMixin._postprocess_response", "a module's answer becomes its result"),
        (BODY, "ActionModuleMixin._low_level_execute_command", _AROUND),
        (CALL, "ActionModuleMixin.fake_shell", _CALLED),
        (BODY, "ActionModuleMixin._make_tmp_path", _OURS),
        (BODY, "ActionModuleMixin._remove_tmp_path", "directories for temporary files are removed as they were made"),
        (BODY, "ActionModuleMixin._set_temp_file_args", _OURS),
        (BODY, "ActionModuleMixin._configure_module", "upstream's own stands in its place"),
        (BODY, "ActionModuleMixin._is_pipelining_enabled", "upstream's own stands in its place"),
        (BODY, "ActionModuleMixin._fixup_perms2", _OURS),
        (CALL, "ActionModuleMixin._remote_chmod", _AROUND),
        (CALL, "ActionModuleMixin._remote_chown", _AROUND),
        (CALL, "ActionModuleMixin._remote_expand_user", _AROUND),
        (CALL, "ActionModuleMixin._remote_file_exists", _AROUND),
        (CALL, "ActionModuleMixin._transfer_data", _AROUND),
    ),
    *_in(
        "ansible_mitogen.process", WORKER,
        (CALL, "Binding", _BASE),
        (CALL, "Binding.get_child_service_context", _OURS),
        (CALL, "Binding.get_service_context", _OURS),
        (CALL, "Binding.close", _OURS),
        (CALL, "WorkerModel", _BASE),
        (CALL, "WorkerModel.on_strategy_start", _OURS),
        (CALL, "WorkerModel.on_strategy_complete", _OURS),
        (CALL, "WorkerModel.get_binding", _OURS),
        (CALL, "MuxProcess.cls_original_env", "the environment that local interpreters start with"),
        (BODY, "_setup_responder", _MODULES),
        (CALL, "set_worker_model", _CALLED),
        (CALL, "MAX_MESSAGE_SIZE", "the size of messages is bounded"),
    ),
    *_in(
        "ansible_mitogen.strategy", WORKER,
        (CALL, "AnsibleWrappers", _CALLED),
        (BODY, "AnsibleWrappers._add_plugin_paths", _CALLED),
        (BODY, "wrap_action_loader__get_with_context", _OURS),
        (CALL, "REDIRECTED_CONNECTION_PLUGINS", "which connections Mitogen speaks"),
    ),
    *_in(
        "ansible_mitogen.loaders", WORKER,
        (CALL, "action_loader", "the loader whose get_with_context is ours in a worker"),
        (CALL, "connection_loader", "the loader whose get_with_context is ours in a worker"),
        (CALL, "action_loader__get_with_context", _CALLED),
    ),
    *_in(
        "ansible_mitogen.module_finder", WORKER,
        (BODY, "scan", "names below module_utils come from the cache: here stands the call of compile"),
        (BODY, "_scan_importlib_find_spec", "names below module_utils come from the cache: here stands the call of compile"),
        (BODY, "walk_imports", "names below module_utils come from the cache"),
    ),
    *_in(
        "ansible_mitogen.transport_config", WORKER,
        (BODY, "parse_python_path", "what is found out about a delegate's interpreter is no fact of the task's host"),
        (BODY, "run_interpreter_discovery_if_necessary", "a target's Python is asked for once"),
    ),
    *_in("ansible_mitogen.parsing", WORKER, (CALL, "parse_hashbang", _CALLED)),
    *_in("ansible_mitogen._modifiers", WORKER, (CALL, "apply_ansible_module_modifiers", _CALLED)),
    *_in("ansible_mitogen.logging", WORKER, (CALL, "set_process_name", _CALLED), (CALL, "setup", _CALLED)),
    *_in("ansible_mitogen.utils", WORKER, (CALL, "ansible_version", "ours is read from other spellings too")),
    *_in("ansible_mitogen.utils.unsafe", WORKER, (CALL, "cast", _CALLED)),
)  # fmt: skip
