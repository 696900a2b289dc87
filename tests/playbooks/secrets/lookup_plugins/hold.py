"""A lookup that waits at a gate (a FIFO) with a secret in its hands, and then ends as it is told: ``lookup('hold', text, gate)``."""

from __future__ import annotations

import os

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        text, gate = [*terms, ""][:2]
        if gate:
            with open(gate, "rb") as stream:
                stream.read(1)
        if kwargs.get("where"):  # an image of the memory goes to the directory of who is killed
            os.mkdir(kwargs["where"])
            os.chdir(kwargs["where"])
        if kwargs.get("signum"):
            os.kill(os.getpid(), int(kwargs["signum"]))
        if kwargs.get("fail"):
            raise AnsibleError(f"about {text}")
        return [text]
