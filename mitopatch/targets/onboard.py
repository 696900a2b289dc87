"""[target] Runs new-style modules inside Mitogen's interpreter as AnsiballZ would have run them in one of their own.

Mitogen sends this file to targets, so every Python for which a supported release has modules (from 2.7) must be able to
read it: no annotations here. What cannot be made right inside a long-lived interpreter is answered with "again": the
worker then has the module run the upstream way (targets/actions.py). That is said only before the module has read its
parameters, or where it asks for a new start itself (respawn), so nothing is done twice.
"""

import errno
import os
import re
import resource
import signal
import sys
import tempfile

import ansible_mitogen.runner
import ansible_mitogen.target
import mitogen.core

from mitopatch.targets.surroundings import Libraries, Output, basic

RESPAWN = "ansible.module_utils.common.respawn"
TRACEBACK = "ansible.module_utils._internal._traceback"

#: Key of the answer that asks for the upstream way.
AGAIN = "mitopatch_again"
#: Key, in what a target tells of itself on connecting, of its Python.
EXECUTABLE = "mitopatch_executable"

_libraries = Libraries()
_init_child = ansible_mitogen.target.init_child

_VARIABLE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*|\{[A-Za-z_][A-Za-z0-9_]*\})")

#: What `basic` remembers of a module's parameters before there was a module.
_NO_PARAMETERS = getattr(basic, "_PARSED_MODULE_ARGS", None)


try:
    #: The directory in which the interpreter started: the user's home, or that of whoever became the user.
    START = os.getcwd()
except OSError:
    START = None


#: The places of the start directory in `sys.path`, where PYTHONPATH names it; core_source.PRELUDE has left them out.
_left_out = [index for index, place in enumerate(getattr(mitogen.core, "SEARCH_PATH", ())) if place not in sys.path]


class Again(BaseException):
    """The module must be run the upstream way; not an Exception, which modules catch."""


class _State(object):
    #: Whether the running module has read its parameters: from then on it may have done something.
    begun = False


def _respawn(*args, **kwargs):
    # Upstream starts another interpreter with the module's payload on disk and lets it write the result to our stdout.
    raise Again("respawn")


def _load_params(upstream):
    def load_params(*args, **kwargs):
        _State.begun = True
        return upstream(*args, **kwargs)

    return load_params


basic._load_params = _load_params(basic._load_params)


class NewStyleRunner(ansible_mitogen.runner.NewStyleRunner):
    """ansible_mitogen's runner with what AnsiballZ's wrapper and loader add."""

    def __init__(self, loader=None, open_files=0, tmpdir=None, **kwargs):
        """See the worker's planner.

        `loader`: upstream's module that words exceptions (from 2.19); `open_files`: soft limit for the module, 0 for none;
        `tmpdir`: where upstream would have put the module's file and told it so, None if it would have used a pipe.
        """
        ansible_mitogen.runner.NewStyleRunner.__init__(self, **kwargs)
        self.loader = loader
        self.open_files = open_files
        self.tmpdir = tmpdir
        self.limit = None
        self.file = None
        self.added_place = None

    def get_temp_dir(self):
        """The directory of the module's file, as the module sees it; with a pipe there is none."""
        return self.args.get("_ansible_tmpdir") or os.path.join(tempfile.gettempdir(), "ansible_payload_%s" % os.getpid())

    def _make_tmpdir(self):
        if self.tmpdir is None:
            return
        try:
            path = self._temp_dir = make_directory(self.tmpdir)
            self.file = os.path.join(path, "AnsiballZ_" + os.path.basename(self.path))
            os.close(os.open(self.file, os.O_CREAT | os.O_WRONLY, 0o700))
        except EnvironmentError:
            raise Again("temporary directory")
        self.args["_ansible_tmpdir"] = path

    def revert_temp_dir(self):
        """See the base class, which looks first at what there is to remove."""
        if self.file is not None:
            try:
                os.unlink(self.file)
                os.rmdir(self._temp_dir)
                self._temp_dir = None
            except EnvironmentError:
                pass  # the module has changed what is there
        ansible_mitogen.runner.NewStyleRunner.revert_temp_dir(self)

    def _setup_imports(self):
        # The base class imports all that the module may need, before it detaches. We do not detach, and an import that
        # fails may be one that the module does without.
        if RESPAWN in self.module_map["builtin"]:
            respawn = mitogen.core.import_module(RESPAWN)
            respawn.respawn_module = respawn.probe_interpreters_for_module = _respawn

    def _setup_module_utils_globals(self):
        ansible_mitogen.runner.NewStyleRunner._setup_module_utils_globals(self)
        _State.begun = False
        if hasattr(basic, "_PARSED_MODULE_ARGS"):
            basic._PARSED_MODULE_ARGS = _NO_PARAMETERS
        traceback = sys.modules.get(TRACEBACK)
        if traceback is not None:
            traceback._module_tracebacks_enabled_events = None

    def setup(self):
        """See the base class."""
        self._make_tmpdir()
        ansible_mitogen.runner.NewStyleRunner.setup(self)
        if not self.module_map["custom"]:
            # It has nothing to import, and nobody else would remove it: there would be one more for each module that has run.
            self._importer.revert()
        if sys.version_info[0] > 2:
            sys.stdout = Output()
            sys.stderr = sys.stdout if self.emulate_tty else Output()
        self._set_limit()
        self._add_named_start()

    def _add_named_start(self):
        # AnsiballZ takes the directory of its own file out of `sys.path`. Read from a pipe, that is the start directory; with a file
        # it is another one, and a start directory that PYTHONPATH names stays (core_source.PRELUDE has taken it out).
        for index in _left_out if self.tmpdir is not None else ():
            self.added_place = os.getcwd()
            sys.path.insert(index, self.added_place)

    def _run(self):
        response = ansible_mitogen.runner.NewStyleRunner._run(self)
        if sys.stderr is sys.stdout:
            response.update(stdout=response["stdout"].replace("\n", "\r\n"), stderr=type(response["stderr"])())
        return response

    def _set_limit(self):
        # Source: _ansiballz_main.
        if self.open_files:
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            wanted = min(hard, self.open_files)
            if wanted != soft:
                try:
                    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
                except ValueError:
                    return
                self.limit = (soft, hard)

    def _revert_cwd(self):
        # The base class goes to a directory for temporary files: the next module, and who becomes another user, would be there.
        try:
            os.chdir(START)
        except (EnvironmentError, TypeError):
            ansible_mitogen.runner.NewStyleRunner._revert_cwd(self)

    def revert(self):
        """See the base class."""
        if self.limit is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, self.limit)
        if self.added_place in sys.path:
            sys.path.remove(self.added_place)
        ansible_mitogen.runner.NewStyleRunner.revert(self)

    def _get_code(self):
        code = self._code_by_path.get(self.path)
        if code is None:
            # Where AnsiballZ's archive has it: from 2.19 a deprecation is the plugin's in whose file it was called.
            root = os.path.dirname(os.path.dirname(sys.modules["ansible"].__file__))
            name = os.path.join(root, *self.py_module_name.split(".")) + ".py"
            try:
                code = self._code_by_path[self.path] = compile(self.source, name, "exec", 0, True)
            except SyntaxError:
                raise Again("syntax error")
        return code

    def _run_code(self, code, mod):
        mod._module_fqn = self.py_module_name
        try:
            try:
                ansible_mitogen.runner.NewStyleRunner._run_code(self, code, mod)
                if self.loader:
                    raise RuntimeError("New-style module did not handle its own exit.")
            except ImportError:
                if not _State.begun:
                    raise Again("import")
                raise
        except SystemExit as exc:
            raise SystemExit(_status(exc.code))
        except Again:
            raise
        except Exception as exc:
            if not self.loader:
                _crash(mod)
            # Prints the result and leaves.
            mitogen.core.import_module(self.loader)._handle_exception(exc, basic._ANSIBLE_PROFILE)
        except BaseException:
            _crash(mod)


def _crash(mod):
    # What the interpreter does with an exception that nobody catches, from the module's own lines on.
    kind, exc, lines = sys.exc_info()
    while lines.tb_next is not None and lines.tb_frame.f_globals is not vars(mod):
        lines = lines.tb_next
    exc.__traceback__ = lines
    sys.excepthook(kind, exc, lines)
    raise SystemExit(128 + signal.SIGINT if kind is KeyboardInterrupt else 1)


def _status(code):
    # What the interpreter makes of sys.exit's argument.
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    sys.stderr.write("%s\n" % (code,))
    return 1


@mitogen.core.takes_econtext
def run_module(kwargs, econtext):
    """Stands for ansible_mitogen.target.run_module, for new-style modules."""
    if _libraries.changed():
        return {AGAIN: mitogen.core.to_text("library")}
    runner = NewStyleRunner(econtext=econtext, **mitogen.core.Kwargs(kwargs))
    try:
        return runner.run()
    except Again as exc:
        return {AGAIN: mitogen.core.to_text(exc.args[0])}
    finally:
        _libraries.note()


def exec_command(cmd, shell, **kwargs):
    """Run a command by this shell, or by the user's own if that is None."""
    return ansible_mitogen.target.exec_args(args=[shell or ansible_mitogen.target.get_user_shell(), "-c", cmd], **kwargs)


def make_directory(path):
    """Make a directory for temporary files, and those above it, for our user alone; its whole path."""
    # A shell makes nothing of a variable that is not set.
    path = _VARIABLE.sub("", os.path.expandvars(os.path.expanduser(path)))
    before = os.umask(0o077)
    try:
        try:
            os.mkdir(path)
        except OSError as exc:
            if exc.errno != errno.ENOENT:
                raise
            try:
                os.makedirs(os.path.dirname(path))
            except OSError as exc:
                # Another host of the play may be this machine too, and make it at the same moment.
                if exc.errno != errno.EEXIST:
                    raise
            os.mkdir(path)
    finally:
        os.umask(before)
    return mitogen.core.to_text(path)


@mitogen.core.takes_econtext
def init_child(econtext, log_level, candidate_temp_dirs):
    """Stands for ansible_mitogen.target.init_child, which makes its directory for temporary files on connecting.

    Upstream makes it for the first task that needs one, and for our user alone; `make_directory` does that.
    """
    paths = [path for path in candidate_temp_dirs if os.path.isdir(os.path.expandvars(os.path.expanduser(path)))]
    try:
        ansible_mitogen.target.find_good_temp_dir(paths)
    except IOError:
        paths = candidate_temp_dirs
    result = _init_child(log_level=log_level, candidate_temp_dirs=paths, econtext=econtext)
    result[EXECUTABLE] = sys.executable
    return result


def is_interpreter(path):
    """Whether a script with this interpreter in its first line would run in one like ours."""
    in_venv = getattr(sys, "base_prefix", sys.prefix) != sys.prefix
    try:
        return path == sys.executable or (not in_venv and os.path.samefile(path, sys.executable))
    except OSError:
        return False
