"""What is worked out once where upstream works it out for each host-task or at each start: the results are the same."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from testbed.compare import assert_same

from tests.engine.conftest import Local, installed_family

SITE = """\
- hosts: all
  gather_facts: false
  vars: {greeting: "hello {{ inventory_hostname }}", number: 3}
  tasks:
    - name: Drawn while Jinja compiles
      ansible.builtin.debug: {msg: "{{ 1000000000 | random }}"}
    - name: Of constants in the middle of a template
      ansible.builtin.debug: {msg: "{{ mine }} {{ ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l'] | shuffle | join }}"}
    - name: Of a variable
      ansible.builtin.debug: {msg: "{{ mine | upper }} {{ greeting }} {{ 'x' if mine is search('h1') else 'y' }}"}
    - name: Condition
      ansible.builtin.debug: {msg: yes}
      when: number | int > 2 and mine is search('h[12]')
    - name: A constant condition
      ansible.builtin.debug: {msg: yes}
      when: "'a' is match('a')"
    - name: No such filter
      ansible.builtin.debug: {msg: "{{ mine | no_such_filter }}"}
      ignore_errors: true
    - name: No template
      ansible.builtin.debug: {msg: "{{ mine"}
      ignore_errors: true
    - name: Other brackets
      ansible.builtin.template: {src: brackets.j2, dest: "{{ playbook_dir }}/targets/{{ inventory_hostname }}"}
    - name: Read
      ansible.builtin.debug: {msg: "{{ lookup('file', playbook_dir + '/targets/' + inventory_hostname) }} {{ 'back\\\\slash' }}"}
"""
FILES = {
    "site.yml": SITE,
    "templates/brackets.j2": (
        "#jinja2: variable_start_string:'[%', variable_end_string:'%]', trim_blocks: False\n"
        "[% mine %] {{ mine }}\n{% if true %}\nx\n{% endif %}\n"
    ),
}


@pytest.mark.usefixtures("bundle_active")
def test_templates_are_what_they_were(local: Local) -> None:
    """Drawn at random: a value for each host. All else as plain."""
    drawn = ("Drawn while Jinja compiles", "Of constants in the middle of a template")
    plain, patched = local.both(FILES, hosts=6, env={"MITOPATCH_WORKERS": "1"}, args=["-f", "1"])
    for run in (plain, patched):
        values = run.values("msg")
        for task in drawn:
            assert len(set(map(str, values[task].values()))) == 6, run.text
            for event in run.events:
                if event.get("task") == task and "result" in event:
                    event["result"].pop("msg", None)
        run.stdout = "\n".join(line for line in run.stdout.split("\n") if '"msg"' not in line)  # compared as results
    assert_same(plain, patched)


def test_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two environments of one kind, as two hosts have them."""
    templates, kind, mark = _environment(monkeypatch)
    templates.install(kind, mark)
    one, two = kind(), kind()
    code = one.compile("{{ name | upper }}")
    assert two.compile("{{ name | upper }}") is code
    assert two.compile("{{ 'name' | upper }}") is not two.compile("{{ 'name' | upper }}")
    assert two.compile("{{ 'name' is defined }}") is not two.compile("{{ 'name' is defined }}")
    two.trim_blocks = not two.trim_blocks
    assert two.compile("{{ name | upper }}") is not code
    three = kind()
    three.filters = {}
    with pytest.raises(Exception, match="No filter named 'upper'"):
        three.compile("{{ name | upper }}")
    with pytest.raises(Exception, match="unexpected"):
        kind().compile("{{ name")
    expressions = [kind().compile_expression(text)._template.root_render_func.__code__ for text in ("a == 'x'", "a == 'x'", "a == 'y'")]
    assert expressions[0] is expressions[1]
    assert expressions[0] is not expressions[2]


def test_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    templates, kind, mark = _environment(monkeypatch)
    monkeypatch.setattr(templates, "MOST", 2)
    templates.install(kind, mark)
    first = kind().compile("{{ a }}")
    assert kind().compile("{{ a }}") is first
    for other in ("{{ b }}", "{{ c }}", "{{ d }}"):
        kind().compile(other)
    assert kind().compile("{{ a }}") is not first


def _environment(monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any, Any]:
    pytest.importorskip("ansible", reason="ansible-core is not installed")
    from mitopatch.versions import templates

    family = installed_family()
    kind = family.environment()
    for name in ("compile", "compile_expression"):
        monkeypatch.setattr(kind, name, getattr(kind, name))  # what `install` puts there goes with the test
    return templates, kind, family.template_mark


def test_a_new_file_in_a_plugin_directory_is_seen(tmp_path: Path) -> None:
    pytest.importorskip("ansible", reason="ansible-core is not installed")
    from mitopatch.versions.plugin_files import Listing

    listing = Listing()
    (tmp_path / "a.py").touch()
    pattern = str(tmp_path / "a.*")
    os.utime(tmp_path, (1, 1))
    assert list(listing.iglob(pattern)) == [str(tmp_path / "a.py")]
    assert pattern in listing._known
    assert list(listing.iglob(pattern)) == [str(tmp_path / "a.py")]
    (tmp_path / "a.yml").touch()
    assert sorted(listing.iglob(pattern)) == [str(tmp_path / "a.py"), str(tmp_path / "a.yml")]
    # The directory has changed just now: another change might leave the same time.
    (tmp_path / "a.txt").touch()
    os.utime(tmp_path, ns=(tmp_path.stat().st_atime_ns, listing._known[pattern][0][0]))
    assert listing.has_magic("*")
    assert not list(listing.iglob(str(tmp_path / "none" / "a.*")))


def test_options_are_read_when_wanted() -> None:
    """Also by two threads at once: the second one waits for what the first one reads."""
    pytest.importorskip("ansible", reason="ansible-core is not installed")
    from mitopatch.versions.definitions import Later

    known, entered, go, calls = Later({"there": {"x": 1}}), threading.Event(), threading.Event(), []

    def read() -> None:
        assert known.get("late", {}) == {}  # as upstream asks before it puts them there
        entered.set()
        go.wait(20)
        calls.append(1)
        dict.__setitem__(known, "late", {"y": 2})

    known.wait("late", read)
    known.wait("without", lambda: calls.append(2))
    assert known.waits("late")
    assert known["there"] == {"x": 1}
    assert not calls
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(known.get("late"))) for _ in range(2)]
    threads[0].start()
    assert entered.wait(20)
    threads[1].start()
    go.set()
    for thread in threads:
        thread.join(20)
    assert found == [{"y": 2}, {"y": 2}]
    assert calls == [1]
    assert sorted(known) == ["late", "there"]
    assert "without" not in known
    assert calls == [1, 2]


def test_an_error_while_reading_comes_each_time() -> None:
    pytest.importorskip("ansible", reason="ansible-core is not installed")
    from mitopatch.versions.definitions import Later

    known = Later({})

    def read() -> None:
        raise ZeroDivisionError

    known.wait("bad", read)
    with pytest.raises(ZeroDivisionError):
        known.get("bad")
    assert known.get("bad", "none") == "none"


def test_a_plugin_is_looked_up_once_for_a_task(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not what redirects, and not what is not there; for another task again if the directory has changed, or there is a new one."""
    pytest.importorskip("ansible", reason="ansible-core is not installed")
    from types import SimpleNamespace

    from ansible.plugins.loader import PluginLoader, module_loader

    from mitopatch.versions import finds, plugin_lock, threads

    asked: list[str] = []
    upstream = PluginLoader.find_plugin_with_context

    def find(self: Any, name: str, *args: Any) -> Any:
        asked.append(name)
        return upstream(self, name, *args)

    monkeypatch.setattr(PluginLoader, "find_plugin_with_context", find)
    finds.install()
    monkeypatch.setattr(finds, "MOST", 3)

    def look(name: str, task: int, **more: Any) -> bool:
        threads.begin(SimpleNamespace(job=SimpleNamespace(task=task)))  # type: ignore[arg-type]
        try:
            asked.clear()
            found = PluginLoader.find_plugin_with_context(module_loader, name, **more)
            assert found.resolved is (name != "no.such.thing")
            return bool(asked)
        finally:
            threads.begin(None)

    name = "ping"
    assert [look(name, 1), look(name, 1), look(name, 2)] == [True, False, False]
    assert [look(name, 2, collection_list=["ansible.legacy"]), look(name, 2)] == [True, False]
    assert [look("no.such.thing", 1), look("no.such.thing", 1)] == [True, True]
    monkeypatch.setattr(finds, "_state", lambda path: (1, 2, 3))
    assert [look(name, 2), look(name, 3), look(name, 3)] == [False, True, False]
    plugin_lock.forget_paths()
    assert [look(name, 3), look(name, 3)] == [True, False]
    assert PluginLoader.find_plugin_with_context(module_loader, name).resolved  # outside of a task: upstream's
    assert asked == [name]


def test_only_a_plain_find_is_kept() -> None:
    pytest.importorskip("ansible", reason="ansible-core is not installed")
    from types import SimpleNamespace

    from mitopatch.versions.finds import plain

    def found(*names: str, **changed: Any) -> Any:
        held: dict[str, Any] = {"resolved": True, "plugin_resolved_path": "/x/foo.py", "deprecated": False}
        return SimpleNamespace(**{**held, "error_list": [], "import_error_list": [], "redirect_list": list(names), **changed})

    assert plain("foo", found("foo"))
    assert plain("foo", found("foo", "a.b.foo"))
    assert not plain("foo", found("foo", "a.b.foo", "c.d.foo"))
    assert not plain("a.b.foo", found("a.b.foo", "c.d.foo"))
    for changed in (
        {"resolved": False}, {"deprecated": True}, {"plugin_resolved_path": "/x/_foo.py"}, {"plugin_resolved_path": None},
        {"error_list": ["x"]}, {"import_error_list": ["x"]},
    ):  # fmt: skip
        assert not plain("foo", found("foo", **changed))


def test_an_option_is_worked_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing of a task sets it; where something does, upstream is asked. The answers are upstream's own."""
    pytest.importorskip("ansible", reason="ansible-core is not installed")
    from ansible.config.manager import ConfigManager

    from mitopatch.versions import options

    config = ConfigManager()
    definitions = {
        "host": {"vars": [{"name": "ansible_host"}], "default": "none"},
        "user": {"keyword": [{"name": "remote_user"}], "default": "me", "aliases": ["login"]},
        "count": {"type": "int", "default": "3", "ini": [{"section": "defaults", "key": "count"}]},
        "items": {"type": "list", "default": ["a"]},
        "made": {"type": "tmp", "default": "/tmp"},
        "template": {"default": "{{ ansible_host }}"},
        "old": {"default": "x", "env": [{"name": "TESTBED_OLD"}], "deprecated": {"why": "w", "version": "9", "alternatives": "a"}},
    }
    config.initialize_plugin_configuration_definitions("connection", "some", definitions)
    asked: list[str] = []
    upstream = ConfigManager.get_config_value_and_origin

    def ask(self: Any, name: str, *args: Any, **more: Any) -> Any:
        asked.append(name)
        return upstream(self, name, *args, **more)

    every = "get_plugin_options_and_origins" if hasattr(ConfigManager, "get_plugin_options_and_origins") else "get_plugin_options"
    all_upstream = getattr(ConfigManager, every)
    for name in ("get_config_value_and_origin", "initialize_plugin_configuration_definitions", every):
        monkeypatch.setattr(ConfigManager, name, ask if name.startswith("get_c") else getattr(ConfigManager, name))
    if hasattr(options.config, "get_ini_config_value"):
        monkeypatch.setattr(options.config, "get_ini_config_value", options.config.get_ini_config_value)
    options.install()
    monkeypatch.setenv("TESTBED_OLD", "y")

    def get(name: str, **more: Any) -> tuple[Any, bool]:
        asked.clear()
        how = {"plugin_type": "connection", "plugin_name": "some", **more}
        answer = config.get_config_value_and_origin(name, **how)
        assert answer == upstream(config, name, **how)
        return answer[0], bool(asked)

    def all_of(name: str, **more: Any) -> list[tuple[Any, bool]]:
        return [get(name, **more) for _ in range(3)]

    def everything(**some: Any) -> list[str]:
        """Compare all options at once with upstream's; what was asked for."""
        asked.clear()
        answer = getattr(config, every)("connection", "some", **some)
        again = list(asked)
        with monkeypatch.context() as patched:
            patched.setattr(ConfigManager, "get_config_value_and_origin", upstream)
            wanted = all_upstream(config, "connection", "some", **some)
        pairs = [(answer, wanted)] if isinstance(answer, dict) else zip(answer, wanted)
        for ours, theirs in pairs:
            assert list(ours) == list(theirs)
            assert {**ours, "made": ""} == {**theirs, "made": ""}
        return again

    assert get("host", variables={"ansible_host": "h"}) == ("h", True)
    assert all_of("host", variables={"x": 1}) == [("none", False)] * 3
    assert all_of("host", variables={"ansible_host": "h"}) == [("h", True)] * 3
    assert all_of("host", direct={"host": "d"}) == [("d", True)] * 3
    assert get("host") == ("none", False)
    assert all_of("user", keys={"remote_user": None}) == [("me", True), ("me", False), ("me", False)]
    everything(keys={"remote_user": None})
    for keys in ({"remote_user": "you"}, {"user": "you"}, {"login": "you"}):
        assert all_of("user", keys=keys)[1:] == [(upstream(config, "user", None, "connection", "some", keys)[0], True)] * 2
    assert all_of("count") == [(3, False)] * 3
    assert all_of("items") == [(["a"], True)] * 3
    assert all_of("old") == [("y", True)] * 3
    for name in ("made", "template"):
        asked.clear()
        for _ in range(2):
            config.get_config_value_and_origin(name, plugin_type="connection", plugin_name="some", variables={"ansible_host": "h"})
        assert len(asked) == 2
    config.initialize_plugin_configuration_definitions("connection", "some", {**definitions, "count": {"type": "int", "default": 4}})
    assert all_of("count") == [(4, True), (4, False), (4, False)]
    assert "count" not in everything()
    for some in (
        {}, {"variables": {"ansible_host": "h", "x": 1}}, {"keys": {"remote_user": "you", "name": "t"}}, {"keys": {"login": "you"}},
        {"direct": {"count": 7}},
        {"variables": {"ansible_host": "h"}, "keys": {"user": "x", "remote_user": None}, "direct": {"items": "q"}},
    ):  # fmt: skip
        everything(**some)
    with pytest.raises(Exception, match="defin"):
        config.get_config_value_and_origin("none", plugin_type="connection", plugin_name="some")
    for name in ("DEFAULT_FORKS", "INVENTORY_ENABLED", "DEFAULT_LOCAL_TMP", "DEFAULT_ROLES_PATH"):
        wanted = upstream(config, name)
        first, second = (config.get_config_value_and_origin(name) for _ in range(2))
        if name != "DEFAULT_LOCAL_TMP":  # each time another one
            assert first == second == wanted
        assert first[0] is not second[0] or not isinstance(first[0], list)
    asked.clear()
    config.get_config_value_and_origin("INVENTORY_ENABLED")
    config.get_config_value_and_origin("DEFAULT_LOCAL_TMP")
    assert asked == ["DEFAULT_LOCAL_TMP"]


def test_marks_of_results() -> None:
    """Text that may not be templated: the same types as upstream's, at any depth."""
    pytest.importorskip("ansible", reason="ansible-core is not installed")
    from ansible.utils import unsafe_proxy

    from mitopatch.versions import unsafe

    class Words(str):
        """Text of a type of its own."""

    class Pairs(dict[Any, Any]):
        """A mapping of a type of its own."""

    value = {
        "a": ["x", b"y", 1, 2.5, None, True, ("t", ["u"]), {"s"}, {"d": {"e": "f"}}], 3: Words("w"), Words("k"): Pairs(z="z"),
        unsafe_proxy.AnsibleUnsafeText("m"): unsafe_proxy.AnsibleUnsafeText("n"), "c": object,
    }  # fmt: skip

    def kinds(thing: Any) -> Any:
        if isinstance(thing, dict):
            return type(thing), [(kinds(key), kinds(item)) for key, item in thing.items()]
        if isinstance(thing, (list, tuple, set)):
            return type(thing), [kinds(item) for item in thing]
        return type(thing), thing

    unsafe.AS_IT_IS.update(unsafe.MARKED if type(unsafe_proxy.wrap_var("x")) is unsafe_proxy.AnsibleUnsafeText else unsafe.UNMARKED)
    wanted = kinds(unsafe_proxy.wrap_var(value))
    assert kinds(unsafe._wrap_dict(value)) == wanted
    assert kinds(unsafe._wrap_sequence([value, "x"])) == (list, [wanted, kinds(unsafe_proxy.wrap_var("x"))])


def test_how_marked_text_is_pickled() -> None:
    """Up to 2.18: as it says itself."""
    pytest.importorskip("ansible", reason="ansible-core is not installed")
    from .conftest import installed_family, series

    if series() >= (2, 19):
        pytest.skip("no text is marked from 2.19 on: see test_tagged")
    for kind, reduced in installed_family().reducers().items():
        text = kind("a {{ b }} \ud800")
        made, arguments = reduced(text)
        found = made(*arguments)
        assert (type(found), found, type(arguments[0])) == (kind, text, str)


FILTERS = {
    "site.yml": """
- hosts: all
  vars: {words: [b, a, b]}
  tasks:
    - debug: {msg: "{{ words | join('-') }} {{ words | unique | sort | first | upper | own }} {{ words | length is odd }}"}
    - debug: {msg: "{{ words | here.there.twice }} {{ words | ansible.builtin.unique }}"}
      loop: [1, 2]
    - debug: {msg: "{{ words | no_such }}"}
      ignore_errors: true
    - debug: {msg: "{{ words | here.there.no_such }}"}
      ignore_errors: true
    - include_role: {name: brings}
    - debug: {msg: "{{ words | join('-') }} {{ words is odd }} {{ words | here.there.twice }}"}
""",
    "filter_plugins/own.py": "class FilterModule:\n    def filters(self):\n        return {'own': lambda text: text + '!'}\n",
    "roles/brings/tasks/main.yml": '- debug: {msg: "{{ words | join(1) }} {{ words is odd }}"}\n',
    "roles/brings/filter_plugins/join.py": (
        "class FilterModule:\n    def filters(self):\n        return {'join': lambda them, by: f'mine {by}'}\n"
    ),
    "roles/brings/test_plugins/odd.py": "class TestModule:\n    def tests(self):\n        return {'odd': lambda them: 'as ever'}\n",
    "collections/ansible_collections/here/there/plugins/filter/twice.py": (
        "class FilterModule:\n    def filters(self):\n        return {'twice': lambda them: them + them}\n"
    ),
}


def test_filters_are_found_as_ever(local: Local) -> None:
    """Jinja's own, a user's, a collection's, missing ones, and those that a role brings in place of Jinja's."""
    plain, patched = local.both(FILTERS, hosts=4, timeout=300)
    assert plain.rc == 0, plain.text
    assert "mine 1" in plain.text
    assert_same(plain, patched)
