"""[maintenance] A throw-away copy of this machine for one target: nothing it writes, starts or kills outlives it.

Private mount, pid, network, ipc and host name namespaces; `/` is a copy-on-write overlay, its layer in memory; /root is empty,
the network is loopback alone. What lies elsewhere (another file system, below /root) and is needed is overlaid at its own path.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Optional

#: Where the folder that both sides see is mounted in the sandbox.
SHARED = "/run/parity"

# Run by bash as process 1 of the new namespaces: $1 is the script to run inside, $2 the shared folder, the rest are folders to overlay.
_ENTER = r"""
set -e
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs /mnt
new=/mnt/new
overlay() {  # overlay LOWER WHERE
    count=$((count + 1))
    mkdir -p /mnt/layers/$count/upper /mnt/layers/$count/work
    mount -t overlay overlay -o "lowerdir=$1,upperdir=/mnt/layers/$count/upper,workdir=/mnt/layers/$count/work" "$2"
}
mkdir $new
overlay / $new
script=$1 shared=$2; shift 2
mount -t tmpfs -o mode=755 tmpfs $new/root
for path; do
    mkdir -p "$new$path"
    overlay "$path" "$new$path"
    # Other users that a task becomes have to get there.
    walked=
    for part in ${path//\// }; do walked=$walked/$part; chmod o+x "$new$walked"; done
done
mkdir -p $new/run/parity
mount --bind "$shared" $new/run/parity
cd $new
mount -t proc proc proc
mount --rbind /sys sys
overlay /dev dev
mount --rbind /dev/pts dev/pts
mount -t tmpfs tmpfs dev/shm
ip link set lo up
ip route add 4.2.2.2 dev lo  # delegate_to wants an address that never answers
exec chroot . bash -c "$script"
"""

# systemd is installed on many machines and runs in no sandbox: without this link, by which facts find it, services are those of init.d.
INIT = """
if [ ! -d /run/systemd/system ] && [ -L /sbin/init ]; then rm /sbin/init; fi
"""

# A syslog for targets that read one: what modules log goes to this file. Ready when its socket is bound.
SYSLOG = r"""
import os, socket
listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listening.bind("/dev/log")
os.chmod("/dev/log", 0o666)
if not os.fork():
    with open("/var/log/syslog", "ab", buffering=0) as log:
        while True:
            log.write(listening.recv(65536).rstrip(b"\0\n") + b"\n")
"""

#: Root's key in the sandbox.
KEY = "/root/.ssh/id_ed25519"
# An sshd of the sandbox's own on port 22, that root may log in to; targets that need ssh use it, and some restart it as a service. With
# PAM: without it users that have no password, as targets make them, are locked out.
SSHD = r"""
if [ -x /usr/sbin/sshd ] && mkdir -p -m 700 /root/.ssh /run/sshd; then
    ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
    cp /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys
    ssh-keygen -A
    printf '%s\n' 'UsePAM yes' 'PermitRootLogin yes' 'MaxStartups 100' 'Subsystem sftp internal-sftp' > /etc/ssh/sshd_config
    /usr/sbin/sshd
    sed 's/^/localhost,127.0.0.1 /' /etc/ssh/ssh_host_*_key.pub > /root/.ssh/known_hosts
fi
"""


class Ended(NamedTuple):
    """[maintenance] How a script ended: its exit code, None if it was stopped for the time it took, and seconds."""

    code: Optional[int]
    seconds: float


def run(script: str, shared: Path, overlaid: Sequence[Path], log: Path, limit: float) -> Ended:
    """[maintenance] Run a bash script in a copy of this machine; its output goes to ``log``.

    ``shared`` is a folder that the script sees as SHARED, and all users may write to; ``overlaid`` are folders that it needs.
    """
    shared.mkdir(parents=True, exist_ok=True)
    shared.chmod(0o1777)
    began = time.monotonic()
    # setpriv: the death of this process ends the sandbox; --kill-child: the end of unshare ends all that is in it.
    command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child"]
    command += ["bash", "-c", _ENTER, "sandbox", script, str(shared), *map(str, overlaid)]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
        try:
            code: Optional[int] = process.wait(limit)
        except subprocess.TimeoutExpired:
            code = None
            out.write(f"\nparity: stopped after {limit:.0f} s\n".encode())
        finally:
            process.kill()
            process.wait()
    return Ended(code, round(time.monotonic() - began, 1))


def missing() -> list[str]:
    """[maintenance] What a sandbox needs and this machine or user does not have."""
    found = [] if os.geteuid() == 0 else ["root"]
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    for name in ("unshare", "setpriv", "mount", "ip", "chroot", "bash"):
        if not any(os.access(os.path.join(folder, name), os.X_OK) for folder in path.split(":")):
            found.append(name)
    return found
