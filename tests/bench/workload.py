"""What a workload is: a playbook, the sizes it runs in, the figures that are taken from them, and their goals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Optional

PLAIN, MITOGEN, MITOPATCH = "plain", "mitogen_linear", "mitopatch"
ARMS = (PLAIN, MITOGEN, MITOPATCH)


@dataclass(frozen=True)
class Size:
    """One way to run a workload. `arms` leaves out those for which it would take hours and decide nothing."""

    name: str
    hosts: int = 1
    tasks: int = 1
    """Per host."""
    count: int = 1
    """Items, files, includes or roles per task."""
    forks: int = 5
    arms: tuple[str, ...] = ARMS
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def units(self) -> int:
        """How many of what a marginal cost is for."""
        return self.hosts * self.tasks * self.count

    def tiny(self) -> Size:
        """A small run of the same order, to try the machinery."""
        return replace(self, **{name: round(getattr(self, name) ** 0.25) for name in ("hosts", "tasks", "count")})


@dataclass(frozen=True)
class Goal:
    """A bound: on how many times less than another arm mitopatch needs or, without `against`, on its own value."""

    against: Optional[str] = None
    least: Optional[float] = None
    most: Optional[float] = None

    def met(self, value: float) -> bool:
        """Say whether this value is within the bounds."""
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    def text(self, unit: str) -> str:
        """The bound in words."""
        bound = f"at least {self.least:g}" if self.least is not None else f"at most {self.most:g}"
        return f"{bound} x {self.against}" if self.against else f"{bound} {unit}".rstrip()


Kind = Literal["total", "each", "slope", "growth", "gain"]


@dataclass(frozen=True)
class Figure:
    """One number for each arm, made from the runs of one round.

    total   what the first size needs
    each    that divided by its units
    slope   (last size - first size) / (units of the last - units of the first); sizes that an arm does not run are left out
    growth  what the last size needs, as a multiple of what the first one needs
    gain    slope of the first two sizes / slope of the other two
    """

    name: str
    kind: Kind
    what: str
    """Of a run's measurements: cpu, cpu_without_ssh (seconds), wall (seconds), pss (MiB)."""
    sizes: tuple[str, ...]
    unit: str = ""
    factor: float = 1.0
    """From the measurement's unit to this figure's."""
    goals: tuple[Goal, ...] = ()
    higher: bool = False
    """More is better (a gain), so there is no ratio between arms."""


Write = Callable[[Path, Size], list[str]]


@dataclass(frozen=True)
class Workload:
    """What is run; the first figure is the one to look at."""

    about: str
    write: Write
    """Writes the playbook into a directory and returns the arguments of the program."""
    sizes: tuple[Size, ...]
    figures: tuple[Figure, ...]
    oks: Callable[[Size], int]
    """How many `ok` events, of tasks and of items, a right run has."""
    connection: Literal["ssh", "local"] = "local"
    """How the hosts of the inventory are reached; `localhost` is always local."""
    program: str = "ansible-playbook"
    delay: float = 0.0
    """Round trip to the only host, in seconds."""
    memory: float = 0.02
    """The share of one core that reading the memory of the tree may take."""
    variables: Mapping[str, Any] = field(default_factory=dict)
    remark: str = ""
    """What a reader should know who sees a goal missed."""
