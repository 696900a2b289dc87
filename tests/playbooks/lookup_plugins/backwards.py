"""A lookup beside the playbook, which reads variables too."""

from __future__ import annotations

from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        return [str(term)[::-1] + variables["inventory_hostname"] for term in terms]
