#!/usr/bin/python
"""A module that does what few modules do; `way` says what."""

from __future__ import annotations

import os
import signal
import sys

from ansible.module_utils.basic import AnsibleModule


class Die(BaseException):
    """Passes by whoever catches exceptions."""


def main():
    module = AnsibleModule(
        argument_spec={"way": {"type": "str", "required": True}, "value": {"type": "raw"}, "dir": {"type": "path"}},
        supports_check_mode=True,
    )
    way = module.params["way"]
    if way == "crash":
        raise ValueError("as asked")
    if way == "uncaught":
        raise {"interrupt": KeyboardInterrupt, "die": Die}[module.params["value"]]("as asked")
    if way == "silent":
        sys.exit(3)
    if way == "no_exit":
        return
    if way == "end":
        # Counted on disk: it must not be tried again.
        with open(module.params["dir"], "a") as log:
            log.write(module.params["value"] + "\n")
        if str(module.params["value"]).startswith("SIG"):
            os.kill(os.getpid(), getattr(signal, module.params["value"]))
        os._exit(int(module.params["value"]))
    if way == "words":
        sys.stdout.write("not JSON\n")
        sys.exit("last words")
    if way == "junk":
        sys.stderr.write("before\n")
        sys.stdout.write('{"changed": false}\n')
        sys.stderr.write("after\n")
        sys.exit(0)
    if way == "bytes":
        sys.stdout.buffer.write(b'{"changed": false, "from": "bytes"}')
        sys.exit(0)
    if way == "deprecate":
        module.deprecate("an odd thing", version="9.9999")
        module.warn("an odd warning")
    if way == "command":
        # What a command of a module has of us, and what it says that cannot start.
        value = module.params["value"]
        show = [
            "sh",
            "-c",
            "umask; pwd; echo $ODD; grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status; cat",
        ]
        found = module.run_command(
            show, umask=value, cwd=module.params["dir"], environ_update={"ODD": "\u00e9"}, data="in", use_unsafe_shell=value is not None
        )
        missing = module.run_command(["/not/there"], handle_exceptions=True) if value == 0 else None
        module.exit_json(found=found, missing=missing, umask=os.umask(0o22))
    if way == "limit":
        import resource

        module.exit_json(soft=resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    if way == "tmp":
        names = sorted(os.listdir(module.params["dir"]))
        module.exit_json(
            directories=[name.rsplit("-", 3)[0] for name in names],
            files=sorted(os.listdir(os.path.join(module.params["dir"], names[0]))) if names else [],
            mine=module.tmpdir.startswith(module.params["dir"] + "/"),
        )
    module.exit_json(way=way, value=module.params["value"], kind=type(module.params["value"]).__name__)


if __name__ == "__main__":
    main()
