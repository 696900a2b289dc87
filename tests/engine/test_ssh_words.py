"""ssh is started with upstream's words, is told a password by no way that others can see, and its end is seen."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ansible", reason="ansible-core is not installed")
mitogen = pytest.importorskip("mitogen.parent")

from ansible.playbook.play_context import PlayContext  # noqa: E402
from ansible.plugins.loader import connection_loader  # noqa: E402

from mitopatch.targets import bringup, endings, ssh_words  # noqa: E402
from mitopatch.versions import ssh_line  # noqa: E402

from .conftest import installed_family, series  # noqa: E402

SECRET = "open sesame"


@pytest.fixture
def placed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a worker puts in place for this."""
    monkeypatch.setattr(mitogen, "popen", bringup.popen)
    monkeypatch.setattr("mitogen.ssh.Connection.get_boot_command", endings.ssh_boot_command)


def descriptors() -> set[str]:
    """Return the open descriptors of this process."""
    return set(os.listdir("/proc/self/fd"))


def plugin(**options: Any) -> Any:
    """Return upstream's ssh plugin with these options."""
    made = connection_loader.get("ssh", PlayContext(), None)
    made.set_options(direct={"host": "example", "ssh_args": "-C", **options})
    return made


def line(**options: Any) -> dict[str, Any]:
    """Return the description that a worker would make of these options."""
    return ssh_line.Lines(installed_family(), lambda connection: connection).of(plugin(**options))


def test_the_words_are_those_of_upstream() -> None:
    """In their order, with the exception of docs/security.md, and the host at the end."""
    options = {"port": 2222, "ssh_extra_args": "-o 'SendEnv=A B'", "private_key_file": "/a key"}
    words = ssh_words.Options(hostname="example", max_message_size=1, **line(**options)).words
    upstream = [word.decode() for word in plugin(**options)._build_command("ssh", "ssh", "example")]
    assert words == [*upstream[:-1], ssh_words.NO_TERMINAL, "example"]
    assert "SendEnv=A B" in words


@pytest.mark.skipif(shutil.which("sshpass") is None, reason="needs sshpass")
@pytest.mark.parametrize("prompt", [None, "Word:"])
def test_a_password_is_in_no_word(prompt: Any) -> None:
    """Whoever logs the description sees none, no pipe is left open, and another password is another connection."""
    before = descriptors()
    by_sshpass = {"password_mechanism": "sshpass"} if series() >= (2, 19) else {}
    made = line(password=SECRET, sshpass_prompt=prompt, **by_sshpass)
    assert descriptors() == before
    assert SECRET not in repr(made)
    assert str(made["password"]) == SECRET
    words = made["sshpass"].split()
    assert words[0] == "sshpass"
    assert words[1].startswith("-d")
    assert words[2:] == (["-P", "Word:"] if prompt else [])
    assert "sshpass" not in made["words"]
    assert line(password="another", sshpass_prompt=prompt, **by_sshpass)["password"] != made["password"]


@pytest.mark.parametrize("words", [["ssh", "-C", "h"], ["sshpass", "-d7", "ssh", "h"], ["sshpass", "-d7", "-P", "ssh", "ssh", "h"]])
def test_words_of_sshpass_are_parted(words: list[str]) -> None:
    ssh, sshpass = ssh_line.before(words)
    assert [*sshpass, *ssh] == words
    assert ssh[0] == "ssh"
    assert bool(sshpass) is (words[0] == "sshpass")


def test_a_line_is_asked_for_once() -> None:
    """As long as no option is different; one that cannot be compared is asked for each time."""
    asked = []

    def upstream(connection: Any) -> Any:
        asked.append(connection)
        return connection

    lines = ssh_line.Lines(installed_family(), upstream)
    first = lines.of(plugin())
    assert lines.of(plugin()) is first
    assert len(asked) == 1
    assert lines.of(plugin(ssh_common_args="-v")) != first
    assert lines.of(plugin(port=22)) != first
    assert len(asked) == 3
    odd = plugin()
    odd._options["odd"] = ["not to be a key"]
    assert lines.of(odd) == lines.of(odd) == first
    assert len(asked) == 5


@pytest.mark.skipif(shutil.which("sshpass") is None, reason="needs sshpass")
@pytest.mark.parametrize("program", ["true", "false"])
def test_a_reset_is_upstreams(tmp_path: Path, program: str) -> None:
    """A master that is there is told to stop; no pipe is left open, also where a password is set."""
    calls = tmp_path / "calls"
    ssh = tmp_path / "ssh"
    ssh.write_text(f'#!/bin/sh\necho "$@" >> {calls}\nexec {program}\n')
    ssh.chmod(0o755)
    by_sshpass = {"password_mechanism": "sshpass"} if series() >= (2, 19) else {}
    made = plugin(ssh_executable=str(ssh), password=SECRET, **by_sshpass)
    before = descriptors()
    ssh_line.Lines(installed_family(), lambda connection: connection).reset(made)
    assert descriptors() == before
    asked = [line.split(" -O ")[1].split()[0] for line in calls.read_text().splitlines()]
    assert asked == (["check", "stop"] if program == "true" else ["check"])


@pytest.mark.skipif(series() < (2, 19), reason="upstream answers for ssh from 2.19 on")
def test_what_upstream_answers_is_taken_away() -> None:
    """The environment names where the password is, and has it not; afterwards nothing is there."""
    made = line(password=SECRET)
    assert made["askpass"] is not None
    assert not made["sshpass"]
    more, release = ssh_line.Lines(installed_family(), lambda connection: connection).ask(made["askpass"])
    place = Path("/dev/shm") / more["env"]["_ANSIBLE_SSH_ASKPASS_SHM"]
    assert SECRET.encode() in place.read_bytes()
    assert place.stat().st_mode & 0o077 == 0
    assert SECRET not in str(more)
    release()
    assert not place.exists()


def output(process: Any) -> str:
    """Return what a child of Mitogen's writes until it ends."""
    text = b""
    try:
        while piece := os.read(process.stdout.fileno(), 4096):
            text += piece
        assert process.proc.wait(20) == 0
    finally:
        for stream in {process.stdin, process.stdout, process.stderr}:
            stream.close()
    return text.decode()


#: Stands for sshpass: says what it read from the descriptor, and whether it has others.
READS = """
import os, sys
number = int(sys.argv[1][2:])
others = [name for name in range(3, 100) if name != number and os.path.exists(f"/proc/self/fd/{name}")]
print(os.read(number, 100), others, sys.argv[2:])
"""


def test_the_password_comes_through_a_pipe(placed: None) -> None:
    """To the one descriptor that is named; nothing stays open here."""
    before = descriptors()
    options = ssh_words.Options(words="ssh h", password=mitogen.mitogen.core.Secret(SECRET), hostname="h", max_message_size=1)
    options.sshpass = [sys.executable, "-c", READS, "-d7"]
    said = output(ssh_words.Connection(options, None).create_child(["ssh", "h"]))
    assert said == f"{(SECRET + chr(10)).encode()!r} [] ['ssh', 'h']\n"
    assert descriptors() == before


@pytest.mark.parametrize("own", [None, "prefer"])
def test_nobody_is_asked_in_a_window(placed: None, monkeypatch: pytest.MonkeyPatch, own: Any) -> None:
    """A worker has no terminal at which ssh could ask: the fork asks, unless the user has said how to."""
    monkeypatch.delenv(ssh_words.ASKS, raising=False)
    if own:
        monkeypatch.setenv(ssh_words.ASKS, own)
    options = ssh_words.Options(words="env h", hostname="h", max_message_size=1)
    said = output(ssh_words.Connection(options, None).create_child(["env"]))
    assert f"{ssh_words.ASKS}={own or 'never'}\n" in said


#: Stands for ssh with a master that has the standard error and stays.
KEEPS = """#!/bin/sh
sleep 600 <&- >&- &
echo $! > {pid}
for last; do :; done
exec /bin/sh -c "$last"
"""


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Path]:
    """A program that stands for ssh; what it leaves behind is ended."""
    program = tmp_path / "ssh"
    program.write_text(KEEPS.format(pid=tmp_path / "pid"))
    program.chmod(0o755)
    yield program
    os.kill(int((tmp_path / "pid").read_text()), 9)


def test_the_end_is_seen_though_a_master_stays(placed: None, router: Any, keeper: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that ended is reaped, and its standard error closed, without waiting for the one that has it too."""
    made = []
    init = ssh_words.Connection.__init__

    def remembered(self: Any, *args: Any) -> None:
        made.append(self)
        init(self, *args)

    ends: list[Any] = []
    ended = mitogen.Connection._on_streams_disconnected
    monkeypatch.setattr(mitogen.Connection, "_on_streams_disconnected", lambda self: (ends.append(self), ended(self))[1])
    monkeypatch.setattr(ssh_words.Connection, "__init__", remembered)
    context = ssh_words.ssh_of_upstream(
        router, hostname="h", words=f"{keeper} h", python_path=sys.executable, connect_timeout=60, remote_name="test", name=None
    )
    assert context.call(os.getpid) > 0
    context.shutdown(wait=True)
    deadline = time.monotonic() + 30
    connection = made[0]
    while not connection.stderr_stream.receive_side.closed and time.monotonic() < deadline:
        time.sleep(0.01)
    assert connection.stderr_stream.receive_side.closed
    assert connection.proc.poll() is not None
    router.broker.defer_sync(int)  # all that the broker does about it is done
    assert ends == made, "once: what has ended is noted, and forgotten when somebody has asked"


@pytest.mark.parametrize("words", ["false h", "/no/such/program h"])
def test_what_was_laid_ready_is_taken_away_where_ssh_fails(placed: None, router: Any, monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    """Once, whether ssh starts or not."""
    taken: list[str] = []
    monkeypatch.setattr(ssh_words.Connection, "ask", staticmethod(lambda _options: ({}, lambda: taken.append("away"))), raising=False)
    with pytest.raises(mitogen.mitogen.core.StreamError):
        ssh_words.ssh_of_upstream(router, hostname="h", words=words, askpass={}, connect_timeout=60, remote_name="test", name=None)
    assert taken == ["away"]
