"""Targets of accounts: made by hand, of objects, or from files; lists of them, comments, and who sees them."""
