"""[target] What a module has around it where it runs inside Mitogen's interpreter: starting of commands, environment, libraries, output.

Mitogen sends this file to targets with `onboard`: for every Python from 2.7, without annotations.
"""

import io
import os
import site
import subprocess  # nosec B404 # patched here, nothing is started
import sys
import types

import ansible_mitogen.runner
import mitogen.core

basic = ansible_mitogen.runner.ansible.module_utils.basic

#: What has nothing to do in Python 3: the function that run_command has called in the child, up to 2.13, or that its function calls.
_RESTORE = getattr(basic.AnsibleModule, "_restore_signal_handlers", None)
#: The functions inside run_command that only set the umask, if there is one, after that.
_PREEXEC = [
    code
    for code in basic.AnsibleModule.run_command.__code__.co_consts
    if isinstance(code, types.CodeType) and set(code.co_names) <= {"_restore_signal_handlers", "os", "umask"}
]


def _is_idle(function):
    code = getattr(function, "__code__", None)
    if _RESTORE is not None and getattr(function, "__func__", None) is _RESTORE:
        return True
    if code not in _PREEXEC:
        return False
    free = dict(zip(code.co_freevars, [cell.cell_contents for cell in function.__closure__]))
    module = free.pop("self", None)
    return not any(free.values()) and (module is None or type(module)._restore_signal_handlers is _RESTORE)


def _without_idle(fork_exec):
    """A function that does nothing in the child is no reason to copy our page tables: without one Python starts the child by vfork."""

    def call(*args):
        # Its place among these depends on the Python.
        return fork_exec(*[None if _is_idle(arg) else arg for arg in args])

    return call


# A stand-in further out, for Popen, would be seen in tracebacks of commands that cannot be started.
if hasattr(subprocess, "_fork_exec"):  # Python 3.11 and later
    subprocess._fork_exec = _without_idle(subprocess._fork_exec)
elif hasattr(subprocess, "_USE_VFORK"):  # 3.10; before, there is no vfork
    subprocess._posixsubprocess.fork_exec = _without_idle(subprocess._posixsubprocess.fork_exec)


#: What is behind ``os.environ``, in bytes; None before Python 3.
_variables = getattr(os.environ, "_data", None)
_environ = os.environ


class _Put(object):
    #: Whether the running module has set variables of the environment, in whatever way.
    done = False


def _noting(put):
    def note(*args):
        _Put.done = True
        return put(*args)

    return note


def _say_where():
    """PWD as the shell has it that starts upstream's modules: sudo takes it away, and locally it is where Ansible was started."""
    try:
        here, said = os.getcwd(), os.environ.get("PWD", "")
        if said != here and not (os.path.isabs(said) and os.path.isdir(said) and os.path.samefile(said, ".")):
            os.environ["PWD"] = here
    except OSError:  # a directory that is gone
        pass


class Environment(object):
    """Stands for ansible_mitogen's TemporaryEnvironment, which decodes all variables before each module and sets all of them after it."""

    def __init__(self, env=None):
        _say_where()
        self.before = list(_variables.items())
        for name, value in (env or {}).items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[mitogen.core.to_text(name)] = mitogen.core.to_text(value)
        _Put.done = bool(env)

    def revert(self):
        """All as it was, also where a module has put another object in place of ``os.environ``."""
        os.environ = _environ  # noqa: B003
        if _Put.done or list(_variables.items()) != self.before:
            os.environb.clear()
            os.environb.update(self.before)


if _variables is not None:
    ansible_mitogen.runner.TemporaryEnvironment = Environment
    # os.environ calls these too.
    os.putenv, os.unsetenv = _noting(os.putenv), _noting(os.unsetenv)


def _ours_alone(find):
    """Mitogen's importer, but that it does not take what it is going to refuse: Python says that there is no such module."""

    def find_ours(self, fullname, *args, **kwargs):
        found = find(self, fullname, *args, **kwargs)
        ours = found is self or getattr(found, "loader", None) is self
        return None if ours and self.policy.denied(fullname) else found

    return find_ours


for _name in ("find_spec", "find_module"):
    setattr(mitogen.core.Importer, _name, _ours_alone(getattr(mitogen.core.Importer, _name)))


class Libraries(object):
    """What modules have imported that is neither Python's own nor Ansible's, and so may be another release after a task."""

    def __init__(self):
        #: Where Python would have looked for libraries if it had been there: the user's own directory often is not.
        self.absent = [path for path in _sites() if not os.path.isdir(path)]
        self.seen = set(sys.modules)
        #: By path: what the file was like when it was imported.
        self.files = {}

    def note(self):
        """A module has run."""
        for name in set(sys.modules).difference(self.seen):
            self.seen.add(name)
            # A package stands for what is in it; one of several directories has no file.
            path = _file(name.partition(".")[0]) or _file(name)
            if path and path not in self.files and _installed(path):
                look = _look(path)
                if look is not None:  # what Mitogen has sent is no file
                    self.files[path] = look

    def changed(self):
        """Whether one of them has been put there anew, or removed, or a directory for them made: what begins now finds what we do not."""
        return any(_look(path) != look for path, look in self.files.items()) or any(os.path.isdir(path) for path in self.absent)


def _sites():
    # In virtual environments of old, for Python 2, `site` is another module.
    found = list(getattr(site, "getsitepackages", list)())
    if getattr(site, "ENABLE_USER_SITE", False):
        found.append(site.getusersitepackages())
    return found


def _file(name):
    # Not getattr: some modules import others when they are asked for what they do not have.
    path = getattr(sys.modules.get(name), "__dict__", {}).get("__file__")
    return path[:-1] if path and path.endswith((".pyc", ".pyo")) else path


def _installed(path):
    return not path.startswith(os.path.dirname(os.__file__) + os.sep) or "-packages" in path


def _look(path):
    try:
        found = os.stat(path)
    except EnvironmentError:
        return None
    return found.st_ino, found.st_size, found.st_mtime


class Output(io.TextIOWrapper):
    """Standard output of a module: unlike StringIO it has a ``buffer`` for bytes."""

    def __init__(self):
        io.TextIOWrapper.__init__(self, io.BytesIO(), encoding="utf-8", errors="surrogateescape", newline="\n")

    def getvalue(self):
        """All that was written, as the controller would decode it."""
        self.flush()
        return self.buffer.getvalue().decode("utf-8", "surrogateescape")
