"""What the comparison of two runs takes for the same."""

from __future__ import annotations

import pytest
from testbed import events

REFUSED = "ssh: connect to host 127.0.0.1 port 22: Connection refused"
BROKEN = "[Errno 32] Broken pipe. [Errno 32] Broken pipe"
SENT = 'Data could not be sent to remote host "127.0.0.1". Make sure this host can be reached over ssh: '
FAILED = "Failed to connect to the host via ssh: "


@pytest.mark.parametrize("said", [f"{SENT}{REFUSED}\n", f"{SENT}{BROKEN}", f"{FAILED}{REFUSED}\n", f"{FAILED}{REFUSED}\r\n"])
@pytest.mark.parametrize(
    ("before", "after", "seen"),
    [
        ("", "", "<unreachable>"),
        ("\x1b[1;31mn01 | UNREACHABLE!: ", "\x1b[0m\nnext", "\x1b[1;31mn01 | UNREACHABLE!: <unreachable>\nnext"),
    ],
)
def test_a_host_that_is_not_there_has_one_text(said: str, before: str, after: str, seen: str) -> None:
    """Whether ssh ended before, while or after it was written to."""
    assert events.clean_text(before + said + after, {}) == seen
