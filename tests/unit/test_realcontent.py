"""The parts of maintenance/realcontent that need neither root nor a chroot."""

from __future__ import annotations

import http.client
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

contents = pytest.importorskip("maintenance.realcontent.contents", reason="not a checkout")
digest = pytest.importorskip("maintenance.realcontent.digest", reason="not a checkout")
mirror = pytest.importorskip("maintenance.realcontent.mirror", reason="not a checkout")


def test_changes_leave_out_what_the_tables_name(tmp_path: Path) -> None:
    base, upper = tmp_path / "base", tmp_path / "upper"
    for name in ("var/log/syslog", "etc/shadow-", "etc/motd", "etc/opened", "secret/key", "usr/__pycache__/a.pyc"):
        for root in (base, upper):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text("same" if name == "etc/opened" else str(root))
            (root / name).chmod(0o640)
    (upper / "secret/new").write_text("random")
    (upper / "etc/link").symlink_to("motd")
    (base / "etc/group-").write_text("")
    (upper / "etc/group-").write_text("")
    (upper / "etc/group-").chmod(0o600)
    found = digest.changes(upper, base, {}, {r"secret/.*": "random"})
    assert sorted(found) == ["etc/group-", "etc/link", "etc/motd", "secret/new"]
    assert found["etc/link"].endswith(" -> motd")
    assert found["etc/motd"].startswith("-rw-r----- ")
    # Type, mode and owner are all that is compared of these.
    assert len(found["etc/group-"].split()) == len(found["secret/new"].split()) == 2
    before = found["etc/motd"]
    (upper / "etc/motd").write_text("other")
    assert digest.changes(upper, base, {}, {})["etc/motd"] != before


@pytest.fixture
def archive() -> Iterator[tuple[str, list[str]]]:
    """An archive with one package, and what was asked of it."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200 if self.path.endswith(".deb") else 404)
            self.end_headers()
            self.wfile.write(b"package")

        def log_message(self, *_args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", asked
    server.shutdown()
    server.server_close()
    thread.join(timeout=10)


def test_mirror_asks_once(tmp_path: Path, archive: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    origin, asked = archive
    for _ in range(2):  # a second proxy finds what the first one kept
        proxy = mirror.Mirror(tmp_path / "kept")
        proxy.start()
        try:
            connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=20)
            for name, wanted in (("a.deb", (200, b"package")), ("a.deb", (200, b"package")), ("none", (404, b""))):
                connection.request("GET", f"{origin}/pool/{name}")
                answer = connection.getresponse()
                assert (answer.status, answer.read()) == wanted
            connection.close()
        finally:
            proxy.stop()
    assert sorted(asked) == ["/pool/a.deb", "/pool/none"]


def test_project_has_a_line_for_each_target(tmp_path: Path) -> None:
    content = contents.Content((), "", lambda: tmp_path, lambda: "[a]\nTARGETS\n[b]\nlocalhost", variables={"x": 1})
    content.write_project(tmp_path, {"host1": {"ansible_port": 22}, "host2": {}})
    assert (tmp_path / "inventory/hosts").read_text().split() == ["[a]", "host1", "host2", "[b]", "localhost"]
    assert json.loads((tmp_path / "inventory/host_vars/host1.json").read_text()) == {"ansible_port": "22"}
    assert json.loads((tmp_path / "inventory/group_vars/all.json").read_text()) == {"x": 1}


def test_page_is_what_the_record_says() -> None:
    report = pytest.importorskip("maintenance.realcontent.report", reason="not a checkout")
    assert report.PAGE.read_text() == report.page(json.loads(report.JSON.read_text())), "write it anew: nox -s real"
