"""The workloads, each with its goals on two cores."""

from __future__ import annotations

from . import content
from .workload import MITOGEN, MITOPATCH, PLAIN, Figure, Goal, Size, Workload, Write

MS = 1000.0
OURS = (MITOPATCH,)
ROUND_TRIP = 0.25


def faster(least: float = 1.0, *, than: tuple[str, ...] = (PLAIN, MITOGEN)) -> tuple[Goal, ...]:
    """At least so many times less than each of these arms."""
    return tuple(Goal(arm, least=least) for arm in than)


def _tasks(size: Size) -> int:
    return size.hosts * size.tasks


def _items(size: Size) -> int:
    return size.hosts * size.tasks * (1 + size.count)


def _loop(module: str, write: Write, remark: str = "") -> Workload:
    small, middle, large = "20 items", "80 items", "1000 items"
    return Workload(
        f"{module} on localhost in a loop, at 20 and at 1000 items (plain: 80)",
        write,
        (
            Size(small, count=20),
            Size(middle, count=80, arms=(PLAIN,)),
            Size(large, count=1000, arms=(MITOGEN, MITOPATCH)),
        ),
        (
            Figure("CPU per item", "slope", "cpu", (small, middle, large), "ms", MS, faster(4, than=(MITOGEN,))),
            Figure("wall per item", "slope", "wall", (small, middle, large), "ms", MS, faster(4, than=(MITOGEN,))),
        ),
        _items,
        remark=remark,
    )


def _latency(module: str, write: Write) -> Workload:
    return Workload(
        f"{module} of small files in a loop to one ssh host {ROUND_TRIP * MS:.0f} ms away, 2 and 12 files",
        write,
        (Size("2 files", count=2), Size("12 files", count=12)),
        (
            Figure(
                "round trips per file", "slope", "wall", ("2 files", "12 files"), "round trips", 1 / ROUND_TRIP,
                (*faster(), Goal(most=2.0)),
            ),
        ),
        _items,
        "ssh",
        delay=ROUND_TRIP,
    )  # fmt: skip


def _workers(what: str, write: Write, tasks: int, remark: str = "") -> Workload:
    return Workload(
        f"100 hosts x {tasks} {what}, forks 20, with MITOPATCH_WORKERS=1 and 2: throughput after the first task",
        write,
        tuple(
            Size(f"{workers} x {count}", 100, count, forks=20, arms=OURS, env={"MITOPATCH_WORKERS": str(workers)})
            for workers in (1, 2)
            for count in (1, tasks)
        ),
        (
            Figure(
                "throughput of 2 workers",
                "gain",
                "wall",
                ("1 x 1", f"1 x {tasks}", "2 x 1", f"2 x {tasks}"),
                "x",
                goals=(Goal(least=1.8),),
                higher=True,
            ),
        ),
        _tasks,
        remark=remark,
    )


WORKLOADS: dict[str, Workload] = {
    "startup": Workload(
        "an empty play on localhost",
        content.empty,
        (Size("run"),),
        (
            Figure("CPU", "total", "cpu", ("run",), "s", goals=faster()),
            Figure("wall", "total", "wall", ("run",), "s", goals=faster()),
        ),
        lambda _size: 0,
    ),
    "adhoc": Workload(
        "`ansible localhost -m ping`",
        content.ping_by_hand,
        (Size("run"),),
        (
            Figure("CPU", "total", "cpu", ("run",), "s", goals=faster()),
            Figure("wall", "total", "wall", ("run",), "s", goals=faster()),
        ),
        lambda _size: 1,
        program="ansible",
    ),
    "facts": Workload(
        "100 hosts x 10 set_fact, forks 20: nothing runs on a target",
        content.facts,
        (Size("1 task", 100, 1, forks=20), Size("10 tasks", 100, 10, forks=20)),
        (
            Figure("CPU per host-task", "each", "cpu", ("10 tasks",), "ms", MS, (*faster(8), Goal(most=3.0))),
            Figure("wall", "total", "wall", ("10 tasks",), "s", goals=faster(6)),
            Figure("CPU per further host-task", "slope", "cpu", ("1 task", "10 tasks"), "ms", MS, faster(8)),
        ),
        _tasks,
    ),
    "small": Workload(
        "one ssh host x 5 command: what a small playbook waits for, and sshd and the target are on the same cores",
        content.commands,
        (Size("run", 1, 5),),
        (
            Figure("CPU", "total", "cpu", ("run",), "s", goals=faster()),
            Figure("wall", "total", "wall", ("run",), "s", goals=faster()),
        ),
        _tasks,
        "ssh",
    ),
    "commands": Workload(
        "100 ssh hosts x 10 command, forks 20; targets and sshd are on the same cores, and only the controller's CPU counts",
        content.commands,
        (Size("run", 100, 10, forks=20),),
        (
            Figure("CPU", "total", "cpu", ("run",), "s", goals=faster(8)),
            Figure("CPU without the ssh clients", "total", "cpu_without_ssh", ("run",), "s", goals=faster(8)),
            Figure("wall", "total", "wall", ("run",), "s", goals=(Goal(PLAIN, least=4.0), Goal(MITOGEN, least=1.8))),
        ),
        _tasks,
        "ssh",
        remark="OpenSSH's clients need the same CPU in every arm for their key exchanges, of a hundred logins: here 58 ms each, 51 of "
        "them for the post-quantum exchange that OpenSSH 9 begins with.",
    ),
    "loop_ping": _loop("ping", content.loop_ping),
    "loop_command": _loop("command", content.loop_command),
    "loop_stat": _loop("stat", content.loop_stat, "In every arm an item starts the program `file` once, which takes longer than all else."),
    "loop_copy": _loop("copy", content.loop_copy),
    "fleet": Workload(
        "set_fact on 100, 1000 and 5000 hosts, forks 20",
        content.facts,
        (
            Size("100 hosts x 1", 100, 1, forks=20, arms=OURS),
            Size("100 hosts x 21", 100, 21, forks=20, arms=OURS),
            Size("1000 hosts x 1", 1000, 1, forks=20, arms=OURS),
            Size("1000 hosts x 3", 1000, 3, forks=20),
            Size("5000 hosts x 1", 5000, 1, forks=20, arms=OURS),
        ),
        (
            Figure("CPU per host-task at 1000 hosts", "each", "cpu", ("1000 hosts x 3",), "ms", MS, faster()),
            Figure(
                "CPU of a further host-task, 1000 hosts against 100",
                "gain",
                "cpu",
                ("1000 hosts x 1", "1000 hosts x 3", "100 hosts x 1", "100 hosts x 21"),
                "x",
                goals=(Goal(most=1.0),),
            ),
            Figure("peak PSS, 1000 hosts", "total", "pss", ("1000 hosts x 3",), "MiB"),
            Figure("peak PSS, 5000 hosts", "total", "pss", ("5000 hosts x 1",), "MiB", goals=(Goal(most=4096.0),)),
            Figure("wall, 5000 hosts", "total", "wall", ("5000 hosts x 1",), "s"),
        ),
        _tasks,
    ),
    "memory": Workload(
        "100 ssh hosts x `sleep 3`, forks 10, 100 and 200: the controller's processes, ssh clients included",
        content.sleeps,
        tuple(Size(f"forks {forks}", 100, forks=forks) for forks in (10, 100, 200)),
        (
            Figure("peak PSS, forks 100", "total", "pss", ("forks 100",), "MiB", goals=faster()),
            Figure("growth from forks 10 to 100", "growth", "pss", ("forks 10", "forks 100"), "x", goals=(Goal(most=1.2),)),
            Figure("growth from forks 100 to 200", "growth", "pss", ("forks 100", "forks 200"), "x", goals=(Goal(most=1.2),)),
            Figure("peak PSS, forks 10", "total", "pss", ("forks 10",), "MiB"),
        ),
        _tasks,
        "ssh",
        memory=0.15,
    ),
    "hostvars": Workload(
        "facts of 100 ssh hosts (hardware left out), then on each a template that reads the facts of all, forks 20",
        content.all_hostvars,
        (
            Size("run", 100, forks=20),
            Size("1 worker", 100, forks=20, arms=OURS, env={"MITOPATCH_WORKERS": "1"}),
            Size("8 workers", 100, forks=20, arms=OURS, env={"MITOPATCH_WORKERS": "8"}),
        ),
        (
            Figure("CPU", "total", "cpu", ("run",), "s", goals=faster()),
            Figure("wall", "total", "wall", ("run",), "s", goals=faster()),
            Figure("peak PSS", "total", "pss", ("run",), "MiB"),
            Figure("growth of PSS from 1 worker to 8", "growth", "pss", ("1 worker", "8 workers"), "x"),
        ),
        lambda size: 2 * size.hosts,
        "ssh",
    ),
    "variables": Workload(
        "20 hosts x 10 set_fact with a condition and 10 with lookup('template'), 600 variables, forks 20: nothing runs on a target",
        content.many_variables,
        (Size("1 of each", 20, 1, forks=20), Size("10 of each", 20, 10, forks=20)),
        (
            Figure("CPU per further host-task", "slope", "cpu", ("1 of each", "10 of each"), "ms", MS, faster()),
            Figure("wall per further host-task", "slope", "wall", ("1 of each", "10 of each"), "ms", MS, faster()),
        ),
        lambda size: 2 * _tasks(size),
    ),
    "latency_copy": _latency("copy", content.copies),
    "latency_template": _latency("template", content.templates),
    "workers": _workers(
        "set_fact",
        content.facts,
        20,
        "The main process, with upstream's strategy and callbacks, needs a third of the CPU here: it and two workers want three cores.",
    ),
    "workers_rendering": _workers("set_fact of a template of 3000 turns", content.renderings, 5),
    "includes": Workload(
        "a file of 5 debug tasks, included 30 and 300 times in a loop, on localhost",
        content.includes,
        (Size("30 includes", tasks=5, count=30), Size("300 includes", tasks=5, count=300)),
        (
            Figure("CPU, 300 includes", "total", "cpu", ("300 includes",), "s", goals=faster()),
            Figure("wall, 300 includes", "total", "wall", ("300 includes",), "s", goals=faster()),
            Figure("CPU per further task", "slope", "cpu", ("30 includes", "300 includes"), "ms", MS, faster()),
        ),
        lambda size: size.tasks * size.count + size.count + 1,
    ),
    "roles": Workload(
        "100 roles of 3 set_fact, each with defaults, variables and a handler, on localhost",
        content.roles,
        (Size("10 roles", tasks=3, count=10), Size("100 roles", tasks=3, count=100)),
        (
            Figure("CPU, 100 roles", "total", "cpu", ("100 roles",), "s", goals=faster()),
            Figure("wall, 100 roles", "total", "wall", ("100 roles",), "s", goals=faster()),
            Figure("CPU per further task", "slope", "cpu", ("10 roles", "100 roles"), "ms", MS, faster()),
        ),
        lambda size: size.tasks * size.count,
    ),
}
