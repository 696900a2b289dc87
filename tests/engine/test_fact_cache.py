"""A cache plugin of the user's: the controller writes each entry, once, and workers see what is in it, in this run and in the next."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from .conftest import Local, LocalRun

#: Keeps one pickle for each host, nothing in memory; writes down who wrote, deleted or read what.
PLUGIN = '''
DOCUMENTATION = """
name: counting
short_description: counts
description: counts
options:
  _uri:
    required: true
    env: [{name: ANSIBLE_CACHE_PLUGIN_CONNECTION}]
    ini: [{key: fact_caching_connection, section: defaults}]
  _timeout:
    default: 86400
    env: [{name: ANSIBLE_CACHE_PLUGIN_TIMEOUT}]
    ini: [{key: fact_caching_timeout, section: defaults}]
    type: integer
  _prefix:
    default: ""
    env: [{name: ANSIBLE_CACHE_PLUGIN_PREFIX}]
    ini: [{key: fact_caching_prefix, section: defaults}]
"""
import os, pickle, time
from ansible.plugins.cache import BaseCacheModule
class CacheModule(BaseCacheModule):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._directory = self.get_option("_uri")
        self._timeout = float(self.get_option("_timeout"))
    def _note(self, what, key):
        with open(os.path.join(os.path.dirname(self._directory), "cache.log"), "a") as log:
            log.write("%s %s %d\\n" % (what, key, os.getpid()))
    def _path(self, key):
        return os.path.join(self._directory, key)
    def contains(self, key):
        path = self._path(key)
        return os.path.exists(path) and (not self._timeout or time.time() - os.stat(path).st_mtime < self._timeout)
    def get(self, key):
        self._note("get", key)
        if not self.contains(key):
            raise KeyError(key)
        with open(self._path(key), "rb") as stream:
            return pickle.load(stream)
    def set(self, key, value):
        self._note("set", key)
        with open(self._path(key) + ".new", "wb") as stream:
            pickle.dump(value, stream)
        os.rename(self._path(key) + ".new", self._path(key))
    def keys(self):
        return [name for name in os.listdir(self._directory) if not name.endswith(".new") and self.contains(name)]
    def delete(self, key):
        self._note("delete", key)
        if os.path.exists(self._path(key)):
            os.unlink(self._path(key))
    def flush(self):
        for key in self.keys():
            self.delete(key)
    def copy(self):
        return {key: self.get(key) for key in self.keys()}
'''

#: Facts without a module: what the run before has left is seen at once, on the other worker too; then more is added.
PLAYBOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Before
      debug: {msg: "{{ ansible_facts }} {{ groups['all'] | map('extract', hostvars) | map(attribute='ansible_facts') | list }}"}
    - name: Add
      set_fact: {mine: "{{ inventory_hostname }}", cacheable: true}
    - name: Add once more
      set_fact: {more: "{{ (ansible_facts.more | default(0) | int) + 1 }}", cacheable: true}
    - name: After
      debug: {msg: "{{ ansible_facts }} {{ groups['all'] | map('extract', hostvars) | map(attribute='ansible_facts') | list }}"}
    - meta: clear_facts
      when: clear | default(false) | bool
    - name: End
      debug: {msg: "{{ ansible_facts }} {{ groups['all'] | map('extract', hostvars) | map(attribute='ansible_facts') | list }}"}
"""
SMART = {"ANSIBLE_GATHERING": "smart", "ANSIBLE_GATHER_SUBSET": "!all,!min,python"}
GATHER = "- {hosts: all, tasks: [{name: Gathered, debug: {msg: '{{ ansible_facts.python.version.major }}'}}]}"


def _run(local: Local, arm: Any, cache: str, timeout: int = 86400, playbook: str = PLAYBOOK, **options: Any) -> LocalRun:
    config = f"fact_caching = counting\nfact_caching_connection = {cache}\nfact_caching_timeout = {timeout}\n"
    env = {"MITOPATCH_CHECK": "1", **options.pop("env", {})}
    return local.run(
        {"site.yml": playbook, "cache_plugins/counting.py": PLUGIN}, arm, hosts=3, config=config, env=env, timeout=300, **options
    )


def _log(cache: Any) -> list[list[str]]:
    path = cache.parent / "cache.log"
    lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
    path.unlink(missing_ok=True)
    return lines


def _written(lines: list[list[str]]) -> list[tuple[str, str]]:
    return sorted((what, key) for what, key, _pid in lines if what != "get")


def test_a_plugin_of_the_users_is_written_once(local: Local, tmp_path: Any) -> None:
    """Two runs over one cache, in the second all is cleared: the same values, the same writes, all by the controller."""
    seen: dict[str, Any] = {}
    for arm in ("plain", "mitopatch"):
        cache = tmp_path / arm / "cache"
        cache.mkdir(parents=True)
        seen[arm] = []
        for args in ((), (), ("-e", "clear=true"), ()):
            run = _run(local, arm, str(cache), args=args)
            assert run.rc == 0, run.text
            lines = _log(cache)
            seen[arm].append((run.values("msg"), _written(lines)))
            writers = {pid for what, _key, pid in lines if what != "get"}
            assert len(writers) == 1
            assert not writers & {str(pid) for pid in run.workers}
            assert bool(run.workers) == (arm == "mitopatch")
    assert json.dumps(seen["plain"], sort_keys=True) == json.dumps(seen["mitopatch"], sort_keys=True)
    assert {what for what, _key in seen["plain"][0][1]} == {"set"}
    assert "delete" in {what for what, _key in seen["plain"][2][1]}


def test_what_is_too_old_is_not_seen(local: Local, tmp_path: Any) -> None:
    """The entries of the first run have expired in the second."""
    for arm in ("plain", "mitopatch"):
        cache = tmp_path / arm / "cache"
        cache.mkdir(parents=True)
        assert _run(local, arm, str(cache), timeout=1000).rc == 0
        for path in cache.iterdir():
            os.utime(path, (time.time() - 2000, time.time() - 2000))
        run = _run(local, arm, str(cache), timeout=1000)
        assert run.rc == 0, run.text
        before = run.values("msg")["Before"]
        assert not any("mine" in text for text in before.values()), before
        assert all("'more': '1'" in text or "'more': 1" in text for text in run.values("msg")["After"].values()), run.text


def test_smart_gathering_takes_what_the_last_run_has_found(local: Local, tmp_path: Any) -> None:
    """With `gathering: smart` the second run gathers nothing, and uses what the first has found."""
    cache = tmp_path / "cache"
    cache.mkdir()
    gathered = []
    for _ in range(2):
        run = _run(local, "mitopatch", str(cache), playbook=GATHER, env=SMART)
        assert run.rc == 0, run.text
        assert set(run.values("msg")["Gathered"].values()) <= {"3", 3}
        gathered.append("TASK [Gathering Facts]" in run.stdout)
    assert gathered == [True, False]
