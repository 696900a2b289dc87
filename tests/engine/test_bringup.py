"""What a worker does not do anew for each connection: the same program is started, in the same way for the one who waits for it."""

from __future__ import annotations

import inspect
import subprocess
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

mitogen = pytest.importorskip("mitogen.parent")
pytest.importorskip("mitogen.master")

from mitopatch.targets import bringup  # noqa: E402


def test_sources_are_those_of_inspect() -> None:
    """Also for what is not remembered."""
    sources: Any = bringup._Sources()
    function = mitogen.Connection._first_stage
    assert sources.getsourcelines(function) == inspect.getsourcelines(function)
    assert sources.getsource(function) == inspect.getsource(function)
    assert sources.isfunction is inspect.isfunction


@pytest.mark.parametrize("hook", ["preexec_fn", "_preexec_hook"])
def test_a_hook_in_the_child_runs(hook: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Whoever gives one gets it; without one there is no function in the child."""
    seen = tmp_path / "seen"
    given: list[Any] = []
    upstream = subprocess.Popen

    def popen(**kwargs: Any) -> Any:
        given.append(kwargs.get("preexec_fn"))
        return upstream(**kwargs)

    monkeypatch.setattr(subprocess, "Popen", popen)
    assert bringup.popen(args=["true"]).wait(20) == 0
    assert given == [None]
    if hook == "preexec_fn":
        assert bringup.popen(args=["true"], preexec_fn=seen.touch).wait(20) == 0
    else:
        monkeypatch.setattr(mitogen, "_preexec_hook", seen.touch)
        assert bringup.popen(args=["true"], preexec_fn=None).wait(20) == 0
    assert given[1] is not None
    assert seen.exists()


@pytest.mark.parametrize(
    "module",
    [
        ("some.module", None, "/a/module.py", mitogen.mitogen.core.Blob(bytes(range(256)) * 300), ["other", "another"]),
        ("a.package", ["é"], "/a/package/__init__.py", mitogen.mitogen.core.Blob(b""), []),
        ("not.there", None, None, None, ()),
    ],
)
def test_a_module_is_pickled_once(module: Any) -> None:
    """Each target is sent what Mitogen would send, in the same bytes, which are hardly more than those of the module."""
    core = mitogen.mitogen.core
    made = [bringup.pickled(sent, dst_id=number, handle=core.LOAD_MODULE) for sent in [bringup._Module(module)] for number in (1, 2)]
    plain = core.Message.pickled(module, dst_id=1, handle=core.LOAD_MODULE)
    assert [message.dst_id for message in made] == [1, 2]
    assert made[0].data is made[1].data
    assert (made[0].enc, made[0].handle) == (plain.enc, plain.handle)
    assert made[0].unpickle() == plain.unpickle() == module
    assert type(made[0].unpickle()) is tuple
    assert type(made[0].unpickle()[3]) is type(module[3])
    assert len(made[0].data) < len(module[3] or b"") + 200


def test_other_messages_are_as_they_were() -> None:
    """Those of several objects too."""
    core = mitogen.mitogen.core
    assert bringup.pickled({"a": b"\xff"}, handle=5).data == core.Message.pickled({"a": b"\xff"}, handle=5).data
    assert list(bringup.pickled(1, 2).unpickle_iter()) == [1, 2]


def test_the_responder_answers_with_what_it_built(router: Any) -> None:
    """Found once, by Mitogen, and the same object from then on."""
    responder = router.responder
    first = bringup.build_tuple(responder, "mitogen.minify")
    assert tuple(first) == mitogen.mitogen.master.ModuleResponder._build_tuple(responder, "mitogen.minify")
    assert bringup.build_tuple(responder, "mitogen.minify") is first


NAMES = ("ansible.module_utils.basic", "ansible_mitogen.target", "mitogen.service", "mitopatch.targets.onboard", "ansible.release")


def test_modules_are_made_ahead(router: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that a target will be sent, no others, and they are ready then."""
    sent: set[str] = set()
    stream = SimpleNamespace(protocol=SimpleNamespace(sent_modules=sent, remote_id=1), name="target")
    responder = router.responder
    made = list(bringup.Ahead(router, NAMES)._make(NAMES))
    assert len(made) == len(set(made))
    assert all(responder._cache[name]._data for name in made)
    monkeypatch.setattr(responder, "_router", SimpleNamespace(stream_by_id=lambda _number: stream, _async_route=lambda _message: None))
    monkeypatch.setattr(mitogen.mitogen.master.ModuleResponder, "_build_tuple", bringup.build_tuple)
    responder._forward_modules(router.context_by_id(1), NAMES)
    assert set(made) == sent
    assert {"ansible", "ansible.module_utils", "mitogen.parent"} <= sent


def test_the_broker_does_other_things_meanwhile(router: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Each module is a turn of its own; one that cannot be made ends it, and nothing else."""
    turns: list[str] = []
    done = threading.Event()
    ahead = bringup.Ahead(router, ())

    def modules() -> Iterator[str]:
        for name in "one", "two":
            turns.append(name)
            # On the broker's thread: what it has been given meanwhile comes first.
            router.broker.timers.schedule(0.0, lambda name=name: turns.append(f"after {name}"))
            yield name
        router.broker.timers.schedule(0.0, done.set)
        raise ValueError("no such module")

    ahead._modules = modules()
    with caplog.at_level("DEBUG", logger=bringup.__name__):
        ahead.start()
        assert done.wait(20)
    assert turns == ["one", "after one", "two", "after two"]
    assert "no such module" in caplog.text
