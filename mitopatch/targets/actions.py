"""[worker] Action plugins over Mitogen connections: ansible_mitogen's mixin, brought closer to plain Ansible."""

from __future__ import annotations

from typing import Any

import ansible_mitogen.loaders
import ansible_mitogen.mixins
from ansible_mitogen.utils import unsafe


class ActionMixin(ansible_mitogen.mixins.ActionModuleMixin):  # type: ignore[misc]
    """Mixed into every action class whose task runs over a Mitogen connection."""

    def _set_temp_file_args(self, module_args: dict[str, Any], wrap_async: bool) -> None:
        # Upstream has put the user's remote_tmp there (ActionBase._update_module_args); ansible_mitogen would replace it by
        # a directory of its own choice, and a module that cannot use remote_tmp would not warn as it does plain.
        remote_tmp = module_args.get("_ansible_remote_tmp")
        super()._set_temp_file_args(module_args, wrap_async)
        if remote_tmp is not None:
            module_args["_ansible_remote_tmp"] = remote_tmp

    def _low_level_execute_command(self, *args: Any, **kwargs: Any) -> Any:
        # ``script`` with ``chdir``: the directory comes from YAML and is of a class that a target cannot unpickle.
        if kwargs.get("chdir") is not None:
            kwargs["chdir"] = unsafe.cast(kwargs["chdir"])
        return super()._low_level_execute_command(*args, **kwargs)


_adorned: dict[type, type] = {}


def adorn(klass: type) -> type:
    """``klass`` with the mixin, made once."""
    adorned = _adorned.get(klass)
    if adorned is None:
        # The mixin turns an instance back into its second base if the connection is not Mitogen's.
        adorned = _adorned[klass] = type(klass.__name__, (ActionMixin, klass), {"__module__": klass.__module__})
    return adorned


def get_with_context(name: str, *args: Any, **kwargs: Any) -> Any:
    """``action_loader.get_with_context`` in a worker. Source: ansible_mitogen.strategy.wrap_action_loader__get_with_context."""
    collection_list = kwargs.pop("collection_list", None)
    class_only = kwargs.pop("class_only", False)
    if name == "fetch":
        name = "mitogen_fetch"
    upstream = ansible_mitogen.loaders.action_loader__get_with_context
    found = upstream(name, class_only=True, collection_list=collection_list)
    if not found.object:
        return found
    klass = adorn(found.object)
    return type(found)(klass if class_only else klass(*args, **kwargs), found.plugin_load_context)
