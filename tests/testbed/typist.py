"""Runs a command on a terminal of its own and types the answers to its prompts: ``python typist.py ANSWERS COMMAND...``.

ANSWERS is a JSON list of [what must appear, what to type]; a third member "raw" waits until the program reads single keys. What the
terminal showed goes to standard output. A prompt that does not come, or an answer too many, ends the command, with exit code 98.
"""

from __future__ import annotations

import json
import os
import sys
import termios
import time

import pexpect

DEADLINE = 40


def await_raw(descriptor: int) -> None:
    """Return when the program has switched the terminal to single keys: before that, ctrl+C is a signal."""
    deadline = time.monotonic() + DEADLINE
    while termios.tcgetattr(descriptor)[3] & termios.ICANON:
        if time.monotonic() > deadline:
            raise pexpect.TIMEOUT("the terminal is not in raw mode")
        time.sleep(0.01)
    # Then it throws away what was typed before, and gives no sign when it has done so.
    time.sleep(0.3)


def main() -> int:
    """Run, type, return the exit code of the command."""
    answers, command = json.loads(sys.argv[1]), sys.argv[2:]
    child = pexpect.spawn(command[0], command[1:], timeout=DEADLINE, dimensions=(50, 200), env=dict(os.environ))
    child.logfile_read = sys.stdout.buffer
    child.delaybeforesend = None
    try:
        for answer in answers:
            child.expect_exact(answer[0].encode())
            if "raw" in answer[2:]:
                await_raw(child.child_fd)
            child.send(answer[1].encode())
        child.expect(pexpect.EOF)
    except (pexpect.TIMEOUT, pexpect.EOF) as exc:
        print(f"\ntypist: {type(exc).__name__} in the answers {answers}", flush=True)
        child.close(force=True)
        return 98
    child.close()
    return 128 + child.signalstatus if child.signalstatus else child.exitstatus or 0


if __name__ == "__main__":
    sys.exit(main())
