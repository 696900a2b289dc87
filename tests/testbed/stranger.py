"""A user of the targets who does not exist on this machine: has a password, and sudo asks for it each time.

The servers run in a mount namespace in which a few files of /etc are other ones, so that nothing of the machine is changed and
everything is gone with the servers. Needs root.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from .sshd import SshBed

NAME = "stranger"
PASSWORD = "treasure under the oak"  # hides nothing; no text of the standard library, in whose memory tests look for it
HASH = "$6$mitopatch$VQsWNgKKsOMTdYNFD40x2odpkWm5lirQIZmGHf4QUmx/5MFeDukbZaPzzcz71LxNks6S0L1qN3ykif417SqUV1"
UID = 54321
#: Without a time in which the next question is spared; sudo's own notes go where they are forgotten.
SUDOERS = f"""\
Defaults timestamp_timeout=0, lecture=never, !pam_session
root ALL=(ALL:ALL) ALL
{NAME} ALL=(ALL:ALL) ALL
"""
BINDS = """\
here=$1; shift
mount --make-rprivate /
if [ -d "$here/dev" ]; then
    for name in null zero full random urandom tty; do
        touch "$here/dev/$name"
        mount --bind "/dev/$name" "$here/dev/$name"
    done
    mount --bind /dev/shm "$here/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$here/dev/pts"
    mount --rbind "$here/dev" /dev
fi
for name in passwd group shadow sudoers; do
    mount --bind "$here/etc/$name" "/etc/$name"
done
exec "$@"
"""


class StrangersBed(SshBed):
    """Targets with this user."""

    def __init__(self, directory: Path, count: int) -> None:
        super().__init__(directory, count)
        self.home = directory / "home"
        self.password = PASSWORD
        #: By user, as /etc/shadow has them.
        self.hashes = {"root": "*", "nobody": "*", NAME: HASH}
        self.sudoers = SUDOERS
        self.prefix = ["unshare", "--mount", "sh", "-ec", BINDS, "sh", str(directory)]

    def start(self) -> None:
        """Write the files, then see the base class."""
        self.home.mkdir()
        shutil.chown(self.home, UID, UID)
        files = {
            "passwd": (Path("/etc/passwd").read_text() + f"{NAME}:x:{UID}:{UID}::{self.home}:/bin/sh\n", 0o644),
            "group": (Path("/etc/group").read_text() + f"{NAME}:x:{UID}:\n", 0o644),
            # No secret of this machine: of its users only those that sshd and sudo look for, without passwords.
            "shadow": ("".join(f"{user}:{word}:19000:0:99999:7:::\n" for user, word in self.hashes.items()), 0o640),
            "sudoers": (self.sudoers, 0o440),
        }
        (self.directory / "etc").mkdir()
        for name, (text, mode) in files.items():
            path = self.directory / "etc" / name
            path.write_text(text)
            path.chmod(mode)
        super().start()

    def asks(self) -> str:
        """Why there is nobody to be asked here; an empty text if sudo does ask."""
        command = [*self.prefix, "setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "sudo", "-S", "-p", "", "id", "-un"]
        done = subprocess.run(command, input=self.password + "\n", capture_output=True, text=True, timeout=30, check=False)
        return "" if done.stdout == "root\n" else f"sudo says {done.stderr.strip()!r}"
