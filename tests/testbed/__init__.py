"""The test bed: real ssh servers, real playbook runs, and what is needed to compare two of them.

sshd.py       starts Debian's openssh-server on loopback addresses, one address per "host".
inventory.py  writes the inventory and the ansible.cfg of one run.
runs.py       runs ansible-playbook in a fresh directory, bounded in time, and leaves no process behind.
events.py     reads the event log of a run and removes what may differ between two runs of the same playbook.
compare.py    says in words where two runs differ.
processes.py  finds the processes that a run started, also those that outlived it.
delay.py      a TCP proxy that makes a host far away.
stranger.py   a user of the servers who has a password.
neighbour.py  what another process of an account can do to the account's processes.
strange.py    files that pretend to be modules of Python's.
typist.py     gives a run a terminal and types the answers to its prompts.
plugins/      the callback that writes the event log (loaded by Ansible, not by the tests).
"""
