"""Targets of accounts: created by hand, from objects, or from files; lists of targets, comments, and permissions."""
