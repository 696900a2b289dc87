"""[controller, worker] Dictionaries of variables that are computed only when somebody reads them.

The worker computes the variables of its tasks itself. Upstream's strategies still ask for them in the controller, to
template what is a template (a task's name, ``throttle``, ``run_once``), for the debugger and for ``add_host``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Callable

Variables = dict[str, Any]

#: What the dictionary holds until it is computed: json's encoder asks nobody before it takes an empty one for "{}".
_NOT_COMPUTED = "(not computed)"


class FilledWhenRead(dict):  # type: ignore[type-arg]
    """[controller, worker] A dictionary that ``_fill`` gives its content, whatever way it is read first."""

    __slots__ = ()

    def _fill(self) -> None:
        raise NotImplementedError

    def __getitem__(self, key: Any) -> Any:
        self._fill()
        return super().__getitem__(key)

    def __contains__(self, key: Any) -> bool:
        self._fill()
        return super().__contains__(key)

    def __iter__(self) -> Iterator[Any]:  # also what makes dict(x) and {**x} read through the methods here
        self._fill()
        return super().__iter__()

    def __reversed__(self) -> Iterator[Any]:
        self._fill()
        return super().__reversed__()

    def __len__(self) -> int:
        self._fill()
        return super().__len__()

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: Any) -> bool:
        self._fill()
        return super().__eq__(other)

    def __ne__(self, other: Any) -> bool:
        self._fill()
        return super().__ne__(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        self._fill()
        return super().__repr__()

    def __or__(self, other: Any) -> Any:
        self._fill()
        return super().__or__(other)

    def __ror__(self, other: Any) -> Any:
        self._fill()
        return {**other, **dict(self.items())}

    def __reduce__(self) -> Any:
        self._fill()
        return dict, (dict(self.items()),)

    def get(self, key: Any, default: Any = None) -> Any:
        self._fill()
        return super().get(key, default)

    def keys(self) -> Any:
        self._fill()
        return super().keys()

    def values(self) -> Any:
        self._fill()
        return super().values()

    def items(self) -> Any:
        self._fill()
        return super().items()

    def copy(self) -> Any:
        """A plain dictionary."""
        self._fill()
        return dict(self.items())


class LazyTaskVars(FilledWhenRead):
    """A dictionary of task variables that fills itself at the first read.

    ``play``, ``host`` and ``task`` are what it was asked for. ``changed`` tells that somebody wrote to it: then it is no
    longer what a worker would compute, and the task must be forked with exactly these variables.
    """

    __slots__ = ("_compute", "_filled", "_later", "changed", "host", "play", "task")

    def __init__(self, compute: Callable[[], Variables], play: Any, host: Any, task: Any) -> None:
        super().__init__({_NOT_COMPUTED: None})
        self._compute = compute
        self._later: list[Callable[[Variables], None]] = []
        self._filled = False
        self.play = play
        self.host = host
        self.task = task
        self.changed = False

    def later(self, step: Callable[[Variables], None]) -> None:
        """Do ``step(variables)`` once they are computed: a part of their computation, not a change by somebody else."""
        self._later.append(step)
        if self._filled:
            step(self)

    def anew(self) -> Variables:
        """Compute them once more, as they are now, whatever is held here."""
        computed = dict(self._compute())
        for step in self._later:
            step(computed)
        return computed

    def _fill(self) -> None:
        if self._filled:
            return
        computed = self.anew()
        self._filled = True
        super().clear()
        super().update(computed)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._fill()
        self.changed = True
        super().__setitem__(key, value)

    def __delitem__(self, key: Any) -> None:
        self._fill()
        self.changed = True
        super().__delitem__(key)

    def __ior__(self, other: Any) -> Any:
        self.update(other)
        return self

    def update(self, *args: Any, **kwargs: Any) -> None:
        self._fill()
        self.changed = True
        super().update(*args, **kwargs)

    def pop(self, *args: Any) -> Any:
        self._fill()
        self.changed = True
        return super().pop(*args)

    def popitem(self) -> Any:
        self._fill()
        self.changed = True
        return super().popitem()

    def setdefault(self, key: Any, default: Any = None) -> Any:
        self._fill()
        self.changed = True
        return super().setdefault(key, default)

    def clear(self) -> None:
        self._filled = True
        self.changed = True
        super().clear()


class LazyVariables:
    """Stands for the VariableManager of a strategy: the same object, but a host-task's variables come lazily.

    ``eager(task)`` true means that they must be computed at once (the task debugger shows and changes them).
    """

    def __init__(self, manager: Any, eager: Callable[[Any], bool]) -> None:
        self.__dict__["manager"] = manager
        self.__dict__["_eager"] = eager

    def get_vars(self, *args: Any, **kwargs: Any) -> Any:
        """As VariableManager.get_vars; lazy if asked for a play, a host, a task and the strategy's host lists."""
        play, host, task = kwargs.get("play"), kwargs.get("host"), kwargs.get("task")
        if args or play is None or host is None or task is None or kwargs.get("_hosts") is None or self._eager(task):
            return self.manager.get_vars(*args, **kwargs)
        return LazyTaskVars(lambda: self.manager.get_vars(**kwargs), play, host, task)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.manager, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self.manager.__setattr__(name, value)
