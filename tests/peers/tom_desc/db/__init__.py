"""Queued SQL, as the tests of DESC's TOM look into it."""
