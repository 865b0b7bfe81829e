"""Targets, which the tests of DESC's TOM import and count."""
