"""[worker, target] What a process needs that starts interpreters: this worker, and those on targets through which others are reached.

For `become` the interpreter of the login account starts one of the other user's: it is a hop, and runs no module. Of all that modules
need it has the text, to hand on, and imports none of it, which is most of what an interpreter does when it starts. For a task that runs
as the login account after all, the hop starts an interpreter beside it. One that has run modules before it starts another user's is a
hop from then on.

Mitogen sends this file to targets, for every Python that they may have: no annotations here.
"""

import logging
import os
import signal
import sys
import time

import mitogen.core
import mitogen.parent

ONBOARD = "mitopatch.targets.onboard"


@mitogen.core.takes_econtext
def init_child(econtext, log_level, candidate_temp_dirs):
    """[target] Stands for ansible_mitogen.target.init_child; what that returns, and None in a hop.

    The directories, None for a hop, come with numbers for the contexts that this one will start. Mitogen would ask for them, and wait
    for the answer.
    """
    candidate_temp_dirs, numbers = candidate_temp_dirs
    mitogen.parent.upgrade_router(econtext)
    econtext.router.id_allocator.it = iter(range(*numbers))
    watch_children()
    start_without_directory()
    hand_on_unseen()
    if candidate_temp_dirs is None:
        logging.getLogger("ansible_mitogen").setLevel(log_level)
        hide()
        return None
    onboard = mitogen.core.import_module(ONBOARD)
    return onboard.init_child(log_level=log_level, candidate_temp_dirs=candidate_temp_dirs, econtext=econtext)


#: What an interpreter's first stage is started with; core_source.PRELUDE takes it out of the environment again.
SAFE = "PYTHONSAFEPATH=mitopatch"


def start_without_directory():
    """[worker, target] Start interpreters that import nothing from their current directory, also before their first statement.

    Python 3.13 and later import linecache before they run what ``-c`` gives; this variable works from 3.11 on. Where it is set already
    it stays as it is.
    """
    upstream = mitogen.parent.Connection.get_python_argv

    def get_python_argv(self):
        return ([] if SAFE.partition("=")[0] in os.environ else ["env", SAFE]) + list(upstream(self))

    mitogen.parent.Connection.get_python_argv = get_python_argv


def hand_on_unseen():
    """[target] Close this process before it starts an interpreter of another user, and forget the password that this takes."""
    upstream = mitogen.parent.Connection.connect

    def connect(self, context):
        if not self.child_is_immediate_subprocess:  # but a program's that becomes somebody
            hide()
        try:
            upstream(self, context)
        finally:
            # Mitogen keeps it as long as the connection.
            if getattr(self.options, "password", None) is not None:
                self.options.password = None

    mitogen.parent.Connection.connect = connect


#: Of prctl: whether others of the same account may look into a process, attach to it, open what it has open, and have its core dumped.
PR_SET_DUMPABLE = 4


def hide():
    """[target] Close this process to others of its account: what passes through a hop belongs to the user whom a task becomes.

    The password for sudo, parameters and results of earlier tasks stay in its memory; plain Ansible has no process there between tasks.
    Most of /proc/self is closed to the process itself as well (of what starting children needs nothing), so this is for an interpreter
    that runs no modules. Children are open again once they are another program. Without ctypes, or on another system, it stays as it
    was. Root's processes are closed to others anyway.
    """
    if sys.platform.startswith("linux") and os.geteuid() != 0:
        try:
            import ctypes

            ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
        except Exception:
            # A Python without ctypes or with a broken one, a system that forbids what it needs.
            logging.getLogger("ansible_mitogen").debug("cannot be closed to others of the account", exc_info=True)


#: In a process with children: their processes by the number of their contexts, once they have hung up.
_ended = {}
#: Numbers of the contexts that run a module.
busy = set()
#: Seconds for the process of an interpreter that has hung up to end.
PATIENCE = 5.0


def watch_children():
    """[worker, target] Remember how the interpreters end that this process starts, and see it soon."""
    upstream = mitogen.parent.Connection._on_streams_disconnected

    def on_streams_disconnected(self):
        number = self.context.context_id
        _ended[number] = self.proc
        if number in busy:
            # Mitogen would send SIGTERM after 50 ms. If it was the module that ended the interpreter, ssh is about to say how;
            # SIGKILL comes after a second.
            send = self.proc.send_signal
            self.proc.send_signal = lambda number: number == signal.SIGTERM or send(number)
        upstream(self)

    mitogen.parent.Connection._on_streams_disconnected = on_streams_disconnected
    mitogen.parent.Reaper = Reaper


def exit_status(context_id):
    """[worker, target] How a child's process has ended, as subprocess has it; None if it has not, or is not known."""
    deadline = time.time() + PATIENCE
    while time.time() < deadline:
        proc = _ended.get(context_id)
        status = proc and proc.poll()
        if status is not None:
            del _ended[context_id]
            return status
        time.sleep(0.01)
    return None


#: How often to look before Mitogen does, and how many seconds later for the first time: ten looks are 0.11 s.
LOOKS = 10
FIRST_LOOK = 0.001
_Upstream = mitogen.parent.Reaper


class Reaper(_Upstream):
    """[worker, target] Looks sooner than Mitogen's whether the process of an interpreter has ended that has hung up.

    That looks at once, and again after 50 and 86 ms: the end of every run waits for it, and of an interpreter that has started others.
    When it sends signals is as it was, after these looks.
    """

    looks = 0

    def reap(self):
        """See the base class."""
        if self.looks < LOOKS:
            status = self.proc.poll()
            if status is None:
                self._install_timer(FIRST_LOOK * 1.5**self.looks)
                self.looks += 1
                return
            self.proc.poll = lambda: status  # of a fork nobody can ask twice
        _Upstream.reap(self)
