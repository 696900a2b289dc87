"""[worker] Action plugins over Mitogen connections: upstream's classes with ansible_mitogen's mixin, mended."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import ansible_mitogen
import ansible_mitogen.loaders
import ansible_mitogen.mixins
from ansible_mitogen.utils import unsafe


class ActionMixin(ansible_mitogen.mixins.ActionModuleMixin):  # type: ignore[misc]
    """Mixed into every action class whose task runs over a Mitogen connection."""

    def _low_level_execute_command(self, *args: Any, **kwargs: Any) -> Any:
        # ``script`` with ``chdir``: the directory comes from YAML and is of a class that a target cannot unpickle.
        if kwargs.get("chdir") is not None:
            kwargs["chdir"] = unsafe.cast(kwargs["chdir"])
        return super()._low_level_execute_command(*args, **kwargs)


#: Where ansible_mitogen's own action plugins lie.
MITOGEN_ACTIONS = os.path.join(os.path.dirname(ansible_mitogen.__file__), "plugins", "action")

_adorned: dict[type, type] = {}
_on_action: list[Callable[[type], None]] = []


def tell(on_action: Callable[[type], None]) -> None:
    """``on_action(klass)`` is called with upstream's class whenever an action plugin is made for a task."""
    _on_action.append(on_action)


def adorn(klass: type) -> type:
    """``klass`` with the mixin, made once."""
    adorned = _adorned.get(klass)
    if adorned is None:
        # The mixin turns an instance back into its second base if the connection is not Mitogen's.
        bases = (ActionMixin, klass)
        adorned = _adorned[klass] = type(klass.__name__, bases, {"__module__": klass.__module__})
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
    if not class_only:
        for on_action in _on_action:
            on_action(found.object)
    return type(found)(klass if class_only else klass(*args, **kwargs), found.plugin_load_context)
