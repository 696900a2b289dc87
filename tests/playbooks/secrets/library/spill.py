"""A module that puts a secret wherever a target could have it: the search must find each of these places."""

from __future__ import annotations

import base64
import os
import subprocess
import syslog

from ansible.module_utils.basic import AnsibleModule


def main():
    module = AnsibleModule(argument_spec={"text": {"no_log": True}, "files": {"type": "list", "elements": "path"}})
    text = module.params["text"]
    for path in module.params["files"]:
        if not os.path.isdir(os.path.dirname(path)):
            os.makedirs(os.path.dirname(path))
        with open(path, "wb") as stream:
            stream.write(b"xx" + base64.b64encode(b"x" + text.encode()))
    syslog.syslog(f"spilled {text}")
    subprocess.check_call(["/bin/true", text])
    subprocess.check_call(["/bin/true"], env={"SPILLED": text})
    module.exit_json(changed=True)


if __name__ == "__main__":
    main()
