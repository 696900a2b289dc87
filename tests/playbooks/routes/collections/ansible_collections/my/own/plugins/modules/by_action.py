#!/usr/bin/python
from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.my.own.plugins.module_utils.common import decorate


def main():
    module = AnsibleModule({"word": {"type": "str"}, "other": {"type": "str"}})
    module.exit_json(changed=False, by_action=True, word=decorate(module.params["word"]), other=module.params["other"])


if __name__ == "__main__":
    main()
