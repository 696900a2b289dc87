"""The engine: its pure parts by themselves, then inside real runs of ansible-playbook on this machine."""
