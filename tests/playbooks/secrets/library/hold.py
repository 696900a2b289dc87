"""A module that waits at a gate (a FIFO) with a secret in its hands, and then ends as it is told."""

from __future__ import annotations

import os

from ansible.module_utils.basic import AnsibleModule


def main():
    module = AnsibleModule(
        argument_spec={
            "gate": {},
            "secret": {"no_log": True},
            "text": {},
            "how": {"default": "return"},
            "signum": {"type": "int"},
            "where": {"type": "path"},
        }
    )
    text, secret = module.params["text"], module.params["secret"]
    if module.params["gate"]:
        with open(module.params["gate"], "rb") as gate:
            gate.read(1)
    how = module.params["how"]
    if how == "raise":
        raise ValueError(f"about {text} {secret}")
    if how == "fail":
        module.fail_json(msg=f"about {text} {secret}")
    if how == "kill":
        if module.params["where"]:  # an image of the memory goes to the directory of who is killed
            os.mkdir(module.params["where"])
            os.chdir(module.params["where"])
        os.kill(os.getpid(), module.params["signum"])
    module.warn(f"with {secret or 'nothing'}")
    module.exit_json(changed=True, said=text, told=secret, diff={"before": secret, "after": text})


if __name__ == "__main__":
    main()
