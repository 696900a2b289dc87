"""[target] Says which release of a library it has found."""

import sys

from ansible.module_utils.basic import AnsibleModule


def main():
    module = AnsibleModule({"folder": {"type": "path"}, "name": {}})
    sys.dont_write_bytecode = True
    sys.path.insert(0, module.params["folder"])
    try:
        found = __import__(module.params["name"]).RELEASE
    except ImportError as exc:
        found = str(exc)
    module.exit_json(found=found)


if __name__ == "__main__":
    main()
