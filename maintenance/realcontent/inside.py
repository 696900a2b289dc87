"""[target] Process 1 of one target's namespaces: mounts its file system, starts sshd in it, reaps until sshd ends.

Started as a program by targets.py through `unshare`, with the description of the target in a file of JSON. Everything it mounts is in
its own mount namespace and everything that runs on the target in its own process namespace, so both are gone with it. It
stays outside of the chroot, as a real chroot's process 1 does: systemctl and Ansible then know that services are not theirs to start.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import subprocess
import sys
from typing import Any

#: Capabilities that no target has: network, kernel, clock, mounts and devices are those of the machine.
DROPPED = (
    "sys_admin net_admin net_raw sys_module sys_rawio sys_boot sys_time sys_tty_config sys_pacct mknod syslog mac_admin wake_alarm "
    "bpf perfmon"
)
DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
PR_SET_NAME = 15


def mount(*arguments: str) -> None:
    """[target] Run mount(8) in this mount namespace."""
    subprocess.run(["mount", *arguments], check=True, stdin=subprocess.DEVNULL, timeout=60)


def devices(root: str) -> None:
    """[target] A /dev with the devices that every program expects and no other."""
    mount("-t", "tmpfs", "-o", "mode=755,nosuid", "dev", f"{root}/dev")
    for name, (major, minor) in DEVICES.items():
        os.mknod(f"{root}/dev/{name}", 0o020666, os.makedev(major, minor))
        os.chmod(f"{root}/dev/{name}", 0o666)  # noqa: S103 # nosec B103 # as on every machine
    for name in ("pts", "shm"):
        os.mkdir(f"{root}/dev/{name}")
    mount("-t", "devpts", "-o", "newinstance,ptmxmode=0666,mode=620,gid=5", "devpts", f"{root}/dev/pts")
    mount("-t", "tmpfs", "-o", "mode=1777,nosuid,nodev", "shm", os.path.join(root, "dev", "shm"))
    os.symlink("pts/ptmx", f"{root}/dev/ptmx")
    for name, target in (("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        os.symlink(f"/proc/self/{target}", f"{root}/dev/{name}")


def file_system(spec: dict[str, Any]) -> tuple[str, str]:
    """[target] Mount everything; return the directory around the chroot and the chroot."""
    mount("--make-rprivate", "/")
    outer, root = spec["outer"], f"{spec['outer']}/target"
    mount("-t", "tmpfs", "-o", "mode=700", "outer", outer)
    os.mkdir(root)
    # What is in the upper directory must be all there is to a change: no references to the lower one.
    layers = f"lowerdir={spec['base']},upperdir={spec['upper']},workdir={spec['work']},redirect_dir=off,metacopy=off,index=off"
    mount("-t", "overlay", "-o", layers, "overlay", root)
    mount("-t", "proc", "-o", "nosuid,nodev,noexec", "proc", f"{root}/proc")
    mount("--bind", f"{root}/proc/sys", f"{root}/proc/sys")
    mount("-o", "remount,bind,ro,nosuid,nodev,noexec", f"{root}/proc/sys")
    mount("-t", "sysfs", "-o", "ro,nosuid,nodev,noexec", "sysfs", f"{root}/sys")
    mount("-t", "tmpfs", "-o", "mode=755,nosuid,nodev", "run", f"{root}/run")
    devices(root)
    for name, (text, mode) in spec["files"].items():
        path = f"{root}/{name}"
        if os.path.islink(path):
            continue  # a role made it so (systemd-resolved): from here it leads out of the chroot
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.chmod(path, mode)
    return outer, root


def main() -> int:
    """[target] Return sshd's exit status."""
    with open(sys.argv[1], encoding="utf-8") as stream:
        spec = json.load(stream)
    os.umask(0o022)
    socket.sethostname(spec["name"])
    outer, root = file_system(spec)
    drop = ",".join(f"-{name}" for name in DROPPED.split())
    command = ["setpriv", "--bounding-set", drop, "/usr/sbin/sshd", "-D", "-e", "-f", "/run/target/sshd_config"]
    environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    server = os.fork()
    if server == 0:
        os.chroot(root)
        os.chdir("/")
        os.execvpe("setpriv", command, environment)  # noqa: S606 # nosec B606 # no shell is wanted
    # Ansible reads the name of process 1 to learn the service manager; `init` sends it on to look at /sbin/init.
    ctypes.CDLL(None).prctl(PR_SET_NAME, b"init", 0, 0, 0)
    os.chroot(outer)
    os.chdir("/")
    while True:
        pid, status = os.wait()
        if pid == server:
            return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
