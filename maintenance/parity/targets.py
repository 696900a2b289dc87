"""[maintenance] Which of upstream's integration targets are run. Pure: it reads a tree of targets and decides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

#: What exercises the controller, and through it modules and connections. A release runs those that it has.
_CURATED = """
    add_host any_errors_fatal async_extra_data async_fail become become_su blocks break_when builtin_vars_prompt
    callback-dispatch callback_default callback_results changed_when check_mode command_nonexisting connection_remote_is_local
    data_tagging_controller debugger delegate_to environment error_from_connection facts_d failed_when fetch fork_safe_stdio
    gather_facts-errors gathering group_by handlers hosts_field ignore_errors ignore_unreachable
    include_when_parent_is_dynamic interpreter_discovery_python_delegate_facts json_cleanup keyword_inheritance
    loop-connection loop_control loops meta_tasks missing-interpreter module-serialization-profiles module_defaults
    module_utils_common.respawn no_log old_style_modules_posix omit order ping play_iterator protomatter
    python_module_rlimit_nofile raw register register_projections remote_tmp result_pickle_error
    retry_task_name_in_callback roles script set_fact set_stats signal_propagation special_vars strategy-external
    strategy_free strategy_host_pinned strategy_linear tags task-args task-esoterica task-timeout tasks throttle undefined
    unexpected_executor_exception until wait_for_connection want_json_modules_posix
"""
CURATED: tuple[str, ...] = tuple(_CURATED.split())

#: An alias of a target that is switched off, is no test, or wants what a sandbox without network does not have.
NOT_HERE = ("disabled", "unsupported", "hidden", "windows", "network", "cloud", "shippable/windows", "needs/httptester", "needs/ssh/remote")
#: Names of targets that carry no alias for it.
NOT_HERE_NAMES = ("win_", "setup_", "prepare_", "ansible-test", "incidental_win_")


def aliases(text: str) -> tuple[str, ...]:
    """[maintenance] The aliases in the text of a target's file of that name: one a line, # begins a comment."""
    lines = (line.split("#")[0].strip().rstrip("/") for line in text.splitlines())
    return tuple(line for line in lines if line)


def aliases_of(folder: Path) -> tuple[str, ...]:
    """[maintenance] The aliases of a target."""
    path = folder / "aliases"
    return aliases(path.read_text(encoding="utf-8")) if path.is_file() else ()


def setups(names: Iterable[str]) -> tuple[str, ...]:
    """[maintenance] The targets that have to run before one with these aliases, in order."""
    names = tuple(names)
    return tuple(name.split("/")[2] for kind in ("setup/once/", "setup/always/") for name in names if name.startswith(kind))


def settings(names: Iterable[str]) -> dict[str, str]:
    """[maintenance] The environment variables that aliases set (``env/set/KEY/VALUE``)."""
    return dict(name.split("/", 3)[2:4] for name in names if name.startswith("env/set/") and name.count("/") >= 3)


def is_target(folder: Path) -> bool:
    """[maintenance] Is there anything to run in this folder?"""
    return (folder / "runme.sh").is_file() or (folder / "tasks").is_dir() or (folder / "meta").is_dir()


def runs_here(name: str, its_aliases: Iterable[str]) -> bool:
    """[maintenance] May a target be run in a sandbox that has this machine's programs, and no network?"""
    if name.startswith(NOT_HERE_NAMES):
        return False
    return not any(alias == word or alias.startswith(f"{word}/") for alias in its_aliases for word in NOT_HERE)


def present(tree: Path) -> list[str]:
    """[maintenance] Every target of a release that may be run here."""
    folders = sorted(folder for folder in tree.iterdir() if is_target(folder))
    return [folder.name for folder in folders if runs_here(folder.name, aliases_of(folder))]


def chosen(tree: Path, named: Sequence[str], everything: bool) -> list[str]:
    """[maintenance] The targets of a run: those that are named, or all, or the curated ones that this release has.

    Raises ValueError for a name that is no target.
    """
    missing = [name for name in named if not is_target(tree / name)]
    if missing:
        raise ValueError(f"no such targets in this release: {', '.join(missing)}")
    if named:
        return list(dict.fromkeys(named))
    return present(tree) if everything else [name for name in CURATED if is_target(tree / name)]
