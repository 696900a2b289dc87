from __future__ import annotations

from ansible.plugins.lookup import LookupBase
from ansible.utils.display import Display

display = Display()


class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        display.warning("the lookup warns")
        display.warning("the lookup warns of " + variables["inventory_hostname"])
        display.deprecated("the lookup is old", version="9.9", collection_name="my.own")
        display.vvv("the lookup says vvv")
        display.display("the lookup displays " + variables["inventory_hostname"])
        return terms
