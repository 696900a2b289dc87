"""[maintenance] The base chroot: Debian from its mirrors by debootstrap, once, below .cache/."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

SUITE = "bookworm"
MIRROR = "http://deb.debian.org/debian"
#: What a minimal installation has, what Ansible needs, and systemd (never started) because roles ask for it.
PACKAGES = [
    "apt-utils", "ca-certificates", "cron", "dbus", "debconf-utils", "dirmngr", "gpg", "gpg-agent", "hostname", "iproute2",
    "iputils-ping", "locales", "lsb-release", "netbase", "openssh-client", "openssh-server", "procps", "python3", "python3-apt",
    "sudo", "systemd-sysv",
]  # fmt: skip
#: No service starts, whoever asks: package scripts (policy-rc.d) or an init script (start-stop-daemon).
FILES = {
    "usr/sbin/policy-rc.d": "#!/bin/sh\nexit 101\n",
    "sbin/start-stop-daemon": "#!/bin/sh\nexit 0\n",
}
MACHINE_ID = "4d69746f70617463682d7265616c2d31\n"
LIMIT = 3600.0
SCRIPT = """\
root=$1; shift
mkdir "$root.memory"; trap 'rmdir "$root.memory"' EXIT
mount -t tmpfs -o mode=755 base "$root.memory"
debootstrap "$@" "$root.memory" "$MIRROR"
cp -a "$root.memory/." "$root"
umount "$root.memory"
"""


def base(cache: Path) -> Path:
    """Return the base chroot, made if there is none for this recipe."""
    recipe = hashlib.sha256(repr((SUITE, MIRROR, " ".join(PACKAGES), FILES, MACHINE_ID)).encode()).hexdigest()[:12]
    place = cache / f"base-{SUITE}-{recipe}"
    if place.exists():
        return place
    if shutil.which("debootstrap") is None:
        raise SystemExit("real: needs debootstrap (apt-get install debootstrap)")
    cache.mkdir(parents=True, exist_ok=True)
    growing = Path(tempfile.mkdtemp(prefix="base-new-", dir=cache))
    try:
        _bootstrap(growing)
        growing.rename(place)
    except BaseException:
        # Outside of the namespaces nothing is mounted there, so this removes files of the chroot alone.
        shutil.rmtree(growing, ignore_errors=True)
        raise
    return place


def _bootstrap(root: Path) -> None:
    root.chmod(0o755)
    # Mounts and processes of the package scripts live and die with these namespaces. In memory first: dpkg waits for the
    # disk after every file.
    command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--uts", "--ipc", "sh", "-ec", SCRIPT, "sh", str(root)]
    command += ["--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE]
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C.UTF-8",
        "DEBIAN_FRONTEND": "noninteractive",
        "HOME": "/root",
        "MIRROR": MIRROR,
    }
    proxies = {name: value for name, value in os.environ.items() if name.lower() in ("http_proxy", "https_proxy", "no_proxy")}
    done = subprocess.run(
        command, env=environment | proxies, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT, check=False
    )
    if done.returncode:
        raise SystemExit(f"real: debootstrap failed:\n{done.stdout[-3000:]}\n{done.stderr[-1000:]}")
    divert = ["chroot", str(root), "dpkg-divert", "--local", "--rename", "--add", "/sbin/start-stop-daemon"]
    subprocess.run(divert, check=True, timeout=60, stdin=subprocess.DEVNULL, capture_output=True)
    for name, text in FILES.items():
        (root / name).write_text(text)
        (root / name).chmod(0o755)
    (root / "etc/machine-id").write_text(MACHINE_ID)
    for archive in (root / "var/cache/apt/archives").glob("*.deb"):
        archive.unlink()
