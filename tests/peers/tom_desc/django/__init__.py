"""Used instead of Django by the tests of DESC's TOM: nothing of it is needed but names."""

from __future__ import annotations


def setup() -> None:
    """Nothing has to be prepared."""
