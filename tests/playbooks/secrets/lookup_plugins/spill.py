"""A lookup that puts a secret wherever a controller could have it: the search must find each of these places."""

from __future__ import annotations

import os
import subprocess

from ansible.plugins.lookup import LookupBase
from ansible.utils.display import Display


class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        text = terms[0]
        for path in kwargs["files"]:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(text[::-1])
        Display().display(f"spilled {text}")
        Display().warning(f"spilled {text}")
        subprocess.run(["/bin/true"], env={"SPILLED": text}, check=True)
        subprocess.run(["/bin/sh", "-c", f"exec /bin/true {text.encode().hex()}"], check=True)
        return ["spilled"]
