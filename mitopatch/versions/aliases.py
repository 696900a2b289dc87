"""[controller] The strategy names mitopatch_linear, mitopatch_free and mitopatch_host_pinned, on every release of Ansible.

No strategy plugin stands behind them. A play that names one gets the built-in name as soon as upstream has templated it,
so upstream's own comparisons with 'linear' or 'free' stay true, callbacks show the built-in name, and the warning about
third-party strategy plugins (2.19 and later) has no reason to appear.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Optional

from mitopatch.declare import Bundle, StandIn
from mitopatch.errors import Reason

PREFIX = "mitopatch_"
NAMES = {f"{PREFIX}{name}": name for name in ("linear", "free", "host_pinned")}


class Restart(BaseException):
    """[controller] Raised inside TaskQueueManager.run before the play has any effect, caught by our own stand-in around it.

    A play that comes to the queue manager unread (ad-hoc commands, programs) shows its templated strategy only there, when
    the functions a bundle patches are already running. Not an Exception, so that nobody in between can take it for an error.
    """


def bundle(
    start: Callable[[], Optional[Reason]],
    refusal: Callable[[], Optional[Reason]],
    unknown: Callable[[str], None],
    pending: Callable[[], bool],
) -> Bundle:
    """[controller] The declarations, tied to the entrance that starts a bundle (``start``) and knows whether there is one to start."""
    inside: list[Any] = []

    def make_post_validate(original: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(original)
        def post_validate(self: Any, templar: Any) -> None:
            original(self, templar)
            name = self.strategy
            if not isinstance(name, str) or not name.startswith(PREFIX):
                return
            if name not in NAMES:
                unknown(name)
                return
            if inside and pending():
                raise Restart
            start()
            self.strategy = NAMES[name]

        return post_validate

    def make_run(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def run(self: Any, play: Any) -> Any:
            reason = refusal()
            if reason is not None:
                from ansible.errors import AnsibleError

                raise AnsibleError(reason.text)
            inside.append(play)
            try:
                return original(self, play)
            except Restart:
                pass
            finally:
                inside.pop()
            start()
            # Looked up anew: the bundle may have put a wrapper around this very method.
            return self.run(play)

        return run

    return Bundle(
        "any",
        "aliases",
        [
            StandIn(
                "ansible.playbook.play",
                "Play.post_validate",
                make_post_validate,
                signature=("self", "templar"),
                why="a play's strategy has its final value only after upstream has templated it",
                upstream="lib/ansible/playbook/base.py, FieldAttributeBase.post_validate",
                undo_when="the aliases are dropped",
            ),
            StandIn(
                "ansible.executor.task_queue_manager",
                "TaskQueueManager.run",
                make_run,
                signature=("self", "play"),
                why="a play that starts the bundle must run through the patched methods from its beginning, and "
                "MITOPATCH_UNKNOWN=error has to stop before the first task",
                upstream="lib/ansible/executor/task_queue_manager.py, TaskQueueManager.run",
                undo_when="the aliases are dropped",
            ),
        ],
    )
