"""What is served: to whom it belongs, for as long as it does, and all that an honest module imports."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

core = pytest.importorskip("mitogen.core")
pytest.importorskip("ansible_mitogen.connection")

from mitopatch.targets import served  # noqa: E402


class Request:
    """[test] A call of a service, and its answers."""

    def __init__(self, number: int) -> None:
        self.src_id = self.auth_id = number
        self.answers: list[Any] = []

    def reply(self, answer: Any) -> None:
        self.answers.append(answer)


def connection(number: int) -> Any:
    return SimpleNamespace(context=SimpleNamespace(context_id=number))


def test_a_file_is_for_one_interpreter_while_it_is_sent(tmp_path: Any) -> None:
    path = str(tmp_path / "file")
    (tmp_path / "file").write_text("x")
    streams = {7: object()}
    service = served.FileService(SimpleNamespace(stream_by_id=streams.get))
    sent: list[Any] = []

    class Sender(core.Sender):  # type: ignore[misc]
        def send(self, data: Any, enc: Any = None) -> None:
            sent.append(data)

        def close(self) -> None:
            sent.append(None)

    def fetch(number: int) -> Request:
        request = Request(number)
        service.fetch(path, Sender(SimpleNamespace(context_id=number), 1000), request)
        return request

    def refused(request: Request) -> bool:
        return [type(answer) for answer in request.answers] == [core.CallError]

    assert refused(fetch(7))
    with service.sending(connection(7)):
        assert refused(fetch(7))  # nothing is registered yet
        service.register(path)
        assert refused(fetch(8))
        assert fetch(7).answers[0]["size"] == 1
        assert sent == [b"x", None]
        assert refused_path(service, 7)
    assert refused(fetch(7))
    assert not service._grants
    assert not service._paths
    with pytest.raises(AttributeError):
        service.register(path)


def refused_path(service: Any, number: int) -> bool:
    request = Request(number)
    service.fetch("/etc/passwd", core.Sender(SimpleNamespace(context_id=number), 1000), request)
    return [type(answer) for answer in request.answers] == [core.CallError]


@pytest.mark.parametrize(
    ("request_", "is_served"),
    [
        (("mitogen.service.FileService", "fetch", core.Kwargs({})), True),
        (("mitogen.service.FileService", "acknowledge", core.Kwargs({})), True),
        (("mitogen.service.FileService", "register", core.Kwargs({})), False),
        (("ansible_mitogen.services.ContextService", "get", core.Kwargs({})), False),
        (("mitogen.service.FileService", "fetch"), False),
        (["mitogen.service.FileService", "fetch", core.Kwargs({})], False),
        ("fetch", False),
        (None, False),
    ],
)
def test_services(request_: Any, is_served: bool) -> None:
    message = core.Message.pickled(request_)
    assert bool(served.Pool._is_served(message)) is is_served


SHARED = "ansible_collections.a.b.plugins.module_utils"


@pytest.mark.parametrize(
    ("name", "source", "imported"),
    [
        ("ansible_collections.a.b.plugins.modules.m", "from ..module_utils.help import me", {f"{SHARED}.help"}),
        ("ansible_collections.a.b.plugins.modules.m", "from ..module_utils import help", {f"{SHARED}.help"}),
        ("m", "from ansible_collections.x.y.plugins.module_utils.z import q", {"ansible_collections.x.y.plugins.module_utils.z"}),
        ("m", "import ansible_collections.x.y.plugins.module_utils.z.w as w", {"ansible_collections.x.y.plugins.module_utils.z.w"}),
        ("m", "from ansible_collections.x.y.plugins.lookup import secret", set()),
        ("m", "from ansible_collections.x.y import plugins", set()),
        ("m", "import os, json\nfrom ansible.module_utils.basic import AnsibleModule", set()),
        ("m", "this is no Python", set()),
    ],
)  # fmt: skip
def test_imports(name: str, source: str, imported: set[str]) -> None:
    """With the packages around what is imported, and nothing of a collection's other plugins."""
    names = set(served._imports_of_collections(name, source.encode()))
    assert imported <= names
    assert not any(".lookup" in name for name in names)
    assert all(served.COLLECTION_UTILS.fullmatch(name) for name in names)


def test_what_anybody_may_have() -> None:
    for name in (
        "mitogen.core",
        "ansible",
        "ansible.module_utils.basic",
        "ansible.release",
        "ansible_mitogen.target",
        "mitopatch.targets.hops",
    ):
        assert served.EVERYBODY.fullmatch(name), name
    for name in (
        "ansible.plugins.action.copy", "ansible.constants", "ansible.cli", "ansible.modules.command", "ansible_mitogen.services",
        "mitopatch.cache", "mitopatch.targets.trust", "mitopatch.versions", "os", "__main__", "", "mitogen.core\n", "ansible.module_utils.",
    ):  # fmt: skip
        assert not served.EVERYBODY.fullmatch(name), name
