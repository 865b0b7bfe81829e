"""What was read, what became of it, and what was made from what: the authority on whether everything is in order."""
