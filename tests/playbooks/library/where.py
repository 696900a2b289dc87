"""Documentation only: the action plugin of this name does the work."""
