"""Backups: users' data, the whole database, the write-ahead log, the list of the object store; and their return."""
