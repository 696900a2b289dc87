"""[maintenance] ansible-core's own integration targets, run plain and through mitopatch: `nox -s parity -- 2.16 [targets...]`.

    __main__       the command
    targets        which of upstream's targets, and what their aliases say
    places         the sdist, the two environments and the wheels of one release, in .cache/parity
    surroundings   what ansible-test gives a target: environment, inventory, playbook
    sandbox        a throw-away copy of this machine, in which one target runs
    known          the strict list of known failures, known.toml
    report         docs/parity.json and docs/parity.md

Needs Linux, root, Python 3.11, unshare, ip and overlayfs; sshd, sudo and what else targets look for is used where it is installed.
"""
