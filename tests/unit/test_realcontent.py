"""The parts of maintenance/realcontent that need neither root nor a chroot."""

from __future__ import annotations

import argparse
import http.client
import http.server
import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

arms = pytest.importorskip("maintenance.realcontent.arms", reason="not a checkout")
bench = pytest.importorskip("maintenance.realcontent.bench", reason="not a checkout")
contents = pytest.importorskip("maintenance.realcontent.contents", reason="not a checkout")
differences = pytest.importorskip("maintenance.realcontent.differences", reason="not a checkout")
digest = pytest.importorskip("maintenance.realcontent.digest", reason="not a checkout")
mirror = pytest.importorskip("maintenance.realcontent.mirror", reason="not a checkout")
report = pytest.importorskip("maintenance.realcontent.report", reason="not a checkout")


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


def test_the_meter_takes_what_it_is_given(tmp_path: Path) -> None:
    subprocess.run([*arms.metered(tmp_path / "measured"), "true"], check=True, timeout=30, stdin=subprocess.DEVNULL)
    assert json.loads((tmp_path / "measured").read_text())["wall"] > 0


def step(directory: Path, key: str, size: int, mode: str = "-rw-------") -> Any:
    """One run whose task copied a key made at random, and said a token."""
    result = {"dest": "/etc/key", "checksum": key, "size": size, "item": {"path": "/etc/other", "size": 3}, "token": f"token-{key}"}
    event = {"event": "ok", "host": "h", "task": "t", "result": result}
    (directory / "events").write_text(json.dumps(event) + "\n")
    (directory / "stdout").write_text(f"said token-{key}\n")
    (directory / "stderr").write_text("")
    log = [json.loads(line) for line in (directory / "events").read_text().splitlines()]
    run = arms.Run(0, f"said token-{key}\n", "", log, 1.0, 1.0, directory)
    return arms.Step(run, {"h": {"etc/key": f"{mode} 0:0 {key}", "var/gone": key}}, {"wall": 1.0, "user": 1.0, "system": 0.0, "ssh": 0.1})


def test_what_a_role_set_draws_is_left_out_and_nothing_else(tmp_path: Path) -> None:
    content = contents.Content(
        requirements=(), about="", playbook=Path, inventory=str,
        left_out={r"var/gone": "stamp"}, content_left_out={r"etc/key": "drawn"}, text_left_out={r"token-\w+": "drawn"},
    )  # fmt: skip
    one, other = step(tmp_path, "abc", 1), step(tmp_path, "def", 2)
    assert differences.of_step(one, other, content) == ""
    found = differences.of_step(one, step(tmp_path, "def", 2, "-rw-r--r--"), content)
    assert differences.summary(found) == "different: files of h"
    other.run.events[0]["result"]["item"]["size"] = 4
    assert differences.summary(differences.of_step(one, other, content)) == "different: events of h"


def test_lines_of_programs_that_write_at_once_are_not_a_difference(tmp_path: Path) -> None:
    content = contents.Content(requirements=(), about="", playbook=Path, inventory=str)
    one, other = step(tmp_path, "abc", 1), step(tmp_path, "abc", 1)
    one.run.stderr, other.run.stderr = "cat: a: gone\ncat: b: gone\n", "cat: acat: b: gone\n: gone\n"
    assert differences.of_step(one, other, content) == ""
    other.run.stderr += "cat: c: gone\n"
    assert differences.summary(differences.of_step(one, other, content)) == "different: stderr"


def test_a_step_is_read_as_it_was_written(tmp_path: Path) -> None:
    before = step(tmp_path, "abc", 1)
    before.write(tmp_path, 3)
    after = arms.Step.read(tmp_path, 3, tmp_path)
    assert (after.files, after.measured, after.run.events) == (before.files, before.measured, before.run.events)
    assert (after.run.rc, after.run.stdout, after.run.stderr) == (before.run.rc, before.run.stdout, before.run.stderr)


def test_a_record_gives_way_to_a_newer_one_with_more_steps() -> None:
    def record(hosts: int, *modes: str) -> dict[str, Any]:
        return {"content": "c", "series": "2.16", "hosts": hosts, "arguments": [], "steps": [{"mode": mode} for mode in modes]}

    assert report._in(record(1, "real"), record(1, "check", "real"))
    assert not report._in(record(1, "check"), record(1, "real"))
    assert not report._in(record(2, "real"), record(1, "real"))


def test_the_arms_take_turns() -> None:
    assert [arm for _, arm in bench.turns(3, ["a", "b"])] == ["a", "b", "b", "a", "a", "b"]


def test_each_clone_has_what_the_first_target_had(tmp_path: Path) -> None:
    (tmp_path / "by-host/host1/keys").mkdir(parents=True)
    (tmp_path / "by-host/host1/keys/key").write_text("drawn")
    (tmp_path / "by-host/host1/keys/link").symlink_to("key")
    (tmp_path / "by-host/host1.txt").write_text("")
    for _ in range(2):
        bench.for_clones(tmp_path, ["host1", "host2", "host3"])
    assert sorted(path.name for path in (tmp_path / "by-host").iterdir()) == ["host1", "host1.txt", "host2", "host3"]
    assert (tmp_path / "by-host/host3/keys/link").read_text() == "drawn"
    assert (tmp_path / "by-host/host3/keys/link").is_symlink()


def a_bench(*runs: tuple[int, str, float, float]) -> dict[str, Any]:
    """A record of runs of 600 tasks a host: hosts, arm, wall and CPU."""
    return {
        "content": "debops",
        "series": "2.16",
        "mode": "check",
        "arguments": [],
        "date": "2026-01-01",
        "versions": {"ansible-core": "2.16.19"},
        "runs": [
            {"hosts": hosts, "arm": arm, "mode": "check", "rc": 0, "differences": "no difference", "host_tasks": 600 * hosts}
            | {"wall": wall, "cpu": cpu, "ssh": cpu / 10, "load": 0.1, "round": str(number // 2)}
            for number, (hosts, arm, wall, cpu) in enumerate(runs)
        ],
    }


def test_page_of_the_benchmark() -> None:
    first = ((1, "plain", 400, 90), (1, "mitopatch", 100, 20), (4, "mitopatch", 300, 60), (4, "plain", 900, 400))
    busy = ((1, "plain", 900, 110), (1, "mitogen_linear", 450, 100))
    page = report.page({"bench": a_bench(*first, *busy)})
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("| 2.16.19")]
    assert rows[0] == ["2.16.19", "check", "1", "plain", "2", "0", "judge", "600", "650", "100.0", "6.1", "6.7", "4.00", "4.50"]
    assert rows[2][3:] == ["mitopatch", "1", "0", "no difference", "600", "100", "20.0", "30.0", "33.3", "", ""]
    assert [row[2:4] for row in rows] == [["1", "plain"], ["1", "mitogen_linear"], ["1", "mitopatch"], ["4", "plain"], ["4", "mitopatch"]]
    assert "one host, mitopatch against plain: time -75%, CPU -78% (published: time -60%)." in page
    assert "one host, mitogen_linear against plain: time -50%, CPU -9% " in page
    assert "mitopatch: host-tasks per second of CPU, against 1 at one host: 1.33 at 4 (published: 1)." in page


def test_page_of_the_benchmark_compares_only_what_was_run() -> None:
    page = report.page({"bench": a_bench((1, "plain", 400, 100), (16, "mitopatch", 100, 20))})
    assert "against plain" not in page
    assert "against 1" not in page
    assert "16 hosts: plain was not run to its end." in page
    assert "1 hosts: plain" not in page


def test_runs_of_the_same_versions_stand_beside_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "JSON", tmp_path / "record.json")
    monkeypatch.setattr(report, "PAGE", tmp_path / "page.md")
    options = argparse.Namespace(content="debops", more=[])
    found = {"ansible-core": "2.16.19"}
    monkeypatch.setattr(report, "versions", lambda _content: dict(found))
    made = report.run_of(1, "plain", "check", "0", step(tmp_path, "abc", 1), "")
    assert (made["wall"], made["cpu"], made["differences"]) == (1.0, 1.0, "no difference")
    made["host_tasks"] = 1
    for count in (1, 2):
        report.add_run(options, contents.CONTENTS["debops"], made)
        assert [len(entry["runs"]) for entry in json.loads(report.JSON.read_text()).values()] == [count]
    assert report.PAGE.read_text() == report.page(json.loads(report.JSON.read_text()))
    found["ansible-core"] = "2.16.20"
    report.add_run(options, contents.CONTENTS["debops"], made)
    assert [len(entry["runs"]) for entry in json.loads(report.JSON.read_text()).values()] == [1]


def test_steps_of_the_benchmark_are_check_mode() -> None:
    main = pytest.importorskip("maintenance.realcontent.__main__", reason="not a checkout")
    assert main.parse(["debops"]).steps == ["real"]
    assert (main.parse(["debops", "--bench", "1,4"]).steps, main.parse(["debops", "--bench", "1,4"]).bench) == (["check"], [1, 4])
    assert main.parse(["debops", "--bench", "1", "--steps", "real"]).steps == ["real"]
