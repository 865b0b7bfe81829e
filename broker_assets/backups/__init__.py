"""Backups of users' data, the database server, the write-ahead log and the list of the object store; restoring them."""
