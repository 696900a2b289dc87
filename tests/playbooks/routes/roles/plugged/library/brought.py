#!/usr/bin/python
from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.brings import measure


def main():
    module = AnsibleModule({"word": {"type": "str"}}, supports_check_mode=True)
    module.warn("a warning of brought")
    module.deprecate("a deprecation of brought", version="9.9", collection_name="some.where")
    module.exit_json(changed=True, length=measure(module.params["word"]), word=module.params["word"])


if __name__ == "__main__":
    main()
