"""Why a change of what an account owns is refused: one class for each reason, whatever is owned."""

from __future__ import annotations


class NotTheOwner(PermissionError):
    """The account may see it, but not change it."""


class NameTaken(ValueError):
    """Another one has the name."""


class BadSetting(ValueError):
    """It cannot have this name, or this value of a setting."""
