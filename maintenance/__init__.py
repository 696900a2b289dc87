"""[maintenance] The maintainer's chores. Not shipped; called by noxfile.py."""
