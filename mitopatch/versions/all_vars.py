"""[worker] The variable ``vars``, which holds all the others once more, is made when somebody reads it.

From 2.20 on upstream marks each value in it as deprecated, which copies every list and dictionary: a third of what computing the
variables of a host-task cost (2.21), for a variable that hardly any playbook has read since ansible-core 2.5 has ``lookup('vars')``.
"""

from __future__ import annotations

from typing import Any, Optional

from ansible.vars import manager

from mitopatch.versions.lazy import FilledWhenRead


class AllVars(FilledWhenRead):
    """Holds the values as they are until it is read; then as upstream would have put them there (VariableManager.get_vars, 2.21)."""

    __slots__ = ("_mark", "_whole")

    def __init__(self, mark: Any) -> None:
        super().__init__()
        self._mark = mark
        self._whole: Optional[Any] = None

    def whole(self) -> Any:
        """The dictionary that upstream would have made."""
        if self._whole is None:
            self._whole = whole = self._mark.tag({})
            for name, value in dict.items(self):
                whole[name] = self._mark.tag(self._upstreams(value))
        return self._whole

    def _upstreams(self, value: Any) -> Any:
        """What upstream would have marked there."""
        if value is self:  # it holds itself, too: as far as it had come
            return self._whole
        # An empty dictionary has been taken for the beginning of another one of these.
        return {} if type(value) is AllVars else value

    def _fill(self) -> None:
        if self._whole is None:
            dict.update(self, self.whole())

    def __setitem__(self, name: str, value: Any) -> None:
        # Upstream fills it so: nothing is read for that.
        dict.__setitem__(self, name, value)
        if self._whole is not None:
            self._whole[name] = value


class LaterMark:
    """Stands for upstream's mark while variables are computed."""

    def __init__(self, mark: Any) -> None:
        self._mark = mark

    def tag(self, value: Any) -> Any:
        """A dictionary that marks what is put into it when it is read; other values as they are."""
        return AllVars(self._mark) if type(value) is dict and not value else value


def install() -> None:
    """Put it in place; this process is a worker for the rest of its life."""
    mark = getattr(manager, "_DEPRECATE_VARS", None)
    if mark is None:
        return
    from ansible._internal._templating import _transform

    _transform._type_transform_mapping[AllVars] = AllVars.whole
    manager._DEPRECATE_VARS = LaterMark(mark)
