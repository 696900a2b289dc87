"""[any process] The line in mitopatch.pth imports this at every interpreter start: see docs/activation.md for what that costs."""

# Nothing but sys is imported, nothing is decided, nothing can raise. One finder waits for ansible.constants; a program that
# never imports Ansible's controller pays one look-up in a dictionary per import. What the finder does then is in hook.py,
# and no __future__ line stands here, because each file and each class read at every start can be measured.
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Optional


# constants begins it; the queue manager ends the waiting, unless one of the others is half imported then: those import the
# queue manager themselves, and a program may start with any of them. Watched from the first, because constants may be
# imported by them as well.
WATCHED = (
    "ansible.constants",
    "ansible.executor.task_queue_manager",
    "ansible.executor.process.worker",
    "ansible.executor.task_executor",
    "ansible.executor.playbook_executor",
    "ansible.plugins.strategy",
    "ansible.plugins.strategy.linear",
    "ansible.plugins.strategy.free",
    "ansible.plugins.strategy.host_pinned",
    "ansible.plugins.strategy.debug",
)


class Finder:
    """[any process] Finds nothing itself: for a wanted module it lets `hook.find` ask the other finders."""

    # Module name -> what to call once the module has been executed; None stands for bootstrap.executed.
    wanted: "dict[str, Optional[Callable[[ModuleType], None]]]" = dict.fromkeys(WATCHED)

    def find_spec(self, name: str, path: "Optional[Sequence[str]]" = None, target: "Optional[ModuleType]" = None) -> "Optional[ModuleSpec]":
        """[any process] A spec for a wanted module, else None. Raises only what another finder raises."""
        if name not in self.wanted:
            return None
        try:
            from mitopatch import hook
        except Exception:
            # A damaged installation must not break Ansible; mitopatch status tells.
            self.wanted.clear()
            return None
        return hook.find(self, name, path, target)


finder = Finder()
sys.meta_path.insert(0, finder)  # type: ignore[arg-type]
