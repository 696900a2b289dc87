"""[worker] The implicit localhost: whoever asks the inventory for it makes it.

In plain Ansible a task asks in a fork, so what it made is gone with it (``delegate_to: localhost``), and a play asks in the
controller, so that all later tasks have it: iterating over ``hostvars`` (2.16 to 2.18) shows which, and the name it has is
the one by which it was first asked for. Here it belongs to the host-task that asked, and the controller tells what it has itself.

Source: InventoryData.get_host, _create_implicit_localhost (2.11 to 2.21).
"""

from __future__ import annotations

from typing import Any, Optional

_NAME = "localhost"


def implicit(inventory: Any) -> Optional[str]:
    """[controller] The name of the implicit localhost, if there is one."""
    found = inventory._inventory.localhost
    return found.name if found is not None and found.implicit else None


def keep_apart(inventory: Any) -> None:
    """From now on each host-task of this process has its own, unless the controller has one."""
    # Imported here: with it comes upstream's task queue manager, for which the controller's declarations wait.
    from mitopatch.versions import threads

    data = inventory._inventory
    upstream = type(data)

    class PerTask(upstream):  # type: ignore[misc, valid-type]
        @property
        def localhost(self) -> Any:
            prepared = threads.current_task()
            found = self.__dict__.get(_NAME)
            return found if found is not None or prepared is None else prepared.localhost

        @localhost.setter
        def localhost(self, host: Any) -> None:
            prepared = threads.current_task()
            if prepared is None:
                self.__dict__[_NAME] = host
            else:
                prepared.localhost = host

    data.__class__ = PerTask


def take(inventory: Any, name: Optional[str]) -> None:
    """The controller has one of this name by now, or none yet."""
    data = inventory._inventory
    found = data.__dict__.get(_NAME)
    if found is not None and found.implicit and found.name != name:
        data.__dict__[_NAME] = found = None
    if found is None and name is not None:
        data.get_host(name)


def made(inventory: Any, name: Optional[str]) -> Any:
    """The one that computing a host-task's variables has made, taken away from all the others; None if there is none."""
    found = inventory._inventory.__dict__.get(_NAME)
    if name is not None or found is None or not found.implicit:
        return None
    inventory._inventory.__dict__[_NAME] = None
    return found
