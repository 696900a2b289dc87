"""A user's connection that keeps a shell open for all tasks of a host, as the plugins of network devices do."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection.local import Connection as Local

DOCUMENTATION = """
name: kept
short_description: a helper process that outlives the task
description: Keeps count of the commands in a process of its own.
options:
  socket_dir:
    description: where the helper listens
    vars: [{name: kept_dir}]
"""

HELPER = """
import os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen(8)
server.settimeout(30)
print("up", flush=True)
count = 0
while True:
    try:
        peer, _ = server.accept()
    except OSError:
        break
    word = peer.recv(16)
    count += 1
    if word == b"end":
        os.unlink(sys.argv[1])
    peer.sendall(b"%d" % count)
    peer.close()
    if word == b"end":
        break
"""


class Connection(Local):
    transport = "kept"

    def _path(self):
        return os.path.join(self.get_option("socket_dir"), "kept-" + self._play_context.remote_addr)

    def _say(self, word):
        peer = socket.socket(socket.AF_UNIX)
        try:
            peer.connect(self._path())
            peer.sendall(word)
            return peer.recv(16).decode()
        finally:
            peer.close()

    def _connect(self):
        super()._connect()
        if self.get_option("socket_dir") is None:
            raise AnsibleConnectionFailure("kept_dir is not set")
        if not os.path.exists(self._path()):
            helper = subprocess.Popen(
                [sys.executable, "-c", HELPER, self._path()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            helper.stdout.readline()
        return self

    def exec_command(self, cmd, in_data=None, sudoable=True):
        self._connect()
        return super().exec_command(f"KEPT={self._say(b'next')}; export KEPT; {cmd}", in_data, sudoable)

    def reset(self):
        if os.path.exists(self._path()):
            self._say(b"end")
            while os.path.exists(self._path()):
                time.sleep(0.01)
