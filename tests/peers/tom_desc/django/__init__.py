"""Used instead of Django by the tests of DESC's TOM, which need only names of it."""

from __future__ import annotations


def setup() -> None:
    """Nothing has to be prepared."""
