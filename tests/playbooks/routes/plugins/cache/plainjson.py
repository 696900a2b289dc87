"""A user's fact cache: a file for each host, with a line for each fact."""

from __future__ import annotations

import json

from ansible.plugins.cache import BaseFileCacheModule

DOCUMENTATION = """
name: plainjson
short_description: facts as JSON
description: A cache plugin of the user.
options:
  _uri:
    description: directory
    required: true
    type: path
    env: [{name: ANSIBLE_CACHE_PLUGIN_CONNECTION}]
    ini: [{key: fact_caching_connection, section: defaults}]
  _prefix:
    description: of the names
    default: ""
    env: [{name: ANSIBLE_CACHE_PLUGIN_PREFIX}]
    ini: [{key: fact_caching_prefix, section: defaults}]
  _timeout:
    description: seconds
    default: 86400
    type: integer
    env: [{name: ANSIBLE_CACHE_PLUGIN_TIMEOUT}]
    ini: [{key: fact_caching_timeout, section: defaults}]
"""


class CacheModule(BaseFileCacheModule):
    def _load(self, filepath):
        with open(filepath, encoding="utf-8") as stream:
            return json.load(stream)

    def _dump(self, value, filepath):
        with open(filepath, "w", encoding="utf-8") as stream:
            json.dump(value, stream, indent=1, sort_keys=True)
