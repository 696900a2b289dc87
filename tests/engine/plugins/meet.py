"""An action that runs on several hosts at once and looks around there.

Hosts named in ``with`` wait for each other (files in a directory, so that it works between processes too), at ``points``
points; what is returned was read after the last one.

What it does to its whole process is spelled so that its text does not tell (versions/process_wide.py would have it forked): a
plugin whose helper module does the same runs on a thread too.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display


class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        args = self._task.args
        host = task_vars["inventory_hostname"]
        self.meet(host, "begin")
        if args.get("show"):
            Display().display(f"displayed by {host}: {args['show']}")
            Display().warning(f"warning by {host}")
        if args.get("say"):
            sys.stdout.write(f"said by {host}: {args['say']}\n")
        if args.get("ask"):
            result["answer"] = getattr(Display(), "prompt_" + "until")(f"{args['ask']} {host}?").decode()
        if args.get("setenv"):
            environment = os.environ
            environment.update(args["setenv"])
        if args.get("chdir"):
            getattr(os, "ch" + "dir")(args["chdir"])
        self.meet(host, "end")
        result.update(
            changed=False,
            host=host,
            arguments=dict(self._task.args),
            worker_pid=os.getpid(),
            worker_thread=threading.get_ident(),
            stdin=os.readlink("/proc/self/fd/0"),
            environ={name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")} if args.get("look") else None,
            cwd=os.getcwd(),
            own_task=self.ambient(),
        )
        return result

    def meet(self, host, point):
        others = self._task.args.get("with")
        if not others:
            return
        place = Path(os.environ["MEET"])
        name = self._task.args["name"]
        (place / f"{name}.{point}.{host}").touch()
        deadline = time.monotonic() + 20
        while not all((place / f"{name}.{point}.{other}").exists() for other in others):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{host} was left alone at {point}")
            time.sleep(0.002)

    def ambient(self):
        """Whether the ambient task of this thread is the one that runs here; None before there was one."""
        try:
            from ansible._internal._task import TaskContext
        except ImportError:
            return None
        return TaskContext.current().task is self._task
