"""[maintenance] Large public role sets on Debian chroots, plain and through mitopatch: events, output and files must agree.

base.py      makes the chroot that all targets begin from (debootstrap), once, below .cache/.
mirror.py    a caching HTTP proxy for apt: both arms see the same packages, and the second is not faster for it.
session.py   the runs of one role set, arm by arm.
bench.py     the benchmark: clones of one deployed target, and all arms in turns.
inside.py    [target] process 1 of a target's namespaces; starts sshd in the chroot.
targets.py   starts targets: an overlay over the base each, an sshd each on 127.0.2.x; ends them.
digest.py    what is on a target, file by file, without what differs between any two runs.
contents.py  the role sets: what to install, which playbook, which inventory.
arms.py      one run of a role set in one arm.
report.py    docs/real-content.md and .json.
"""
