#!/usr/bin/python
# WANT_JSON
import json
import sys

with open(sys.argv[1]) as handle:
    given = json.load(handle)
print(
    json.dumps(
        {
            "changed": False,
            "given": {k: v for k, v in given.items() if not k.startswith("_ansible")},
            "keys": sorted(k for k in given if k.startswith("_ansible")),
        }
    )
)
