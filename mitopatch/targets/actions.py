"""[worker] Action plugins over Mitogen connections: upstream's classes with ansible_mitogen's mixin, mended."""

from __future__ import annotations

from typing import Any

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


_adorned: dict[type, type] = {}


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
    return type(found)(klass if class_only else klass(*args, **kwargs), found.plugin_load_context)
