"""Queued SQL, as the tests of DESC's TOM access it."""
