"""Changed lists, followed tick by tick."""

from followed_lists import follow

__all__ = ["follow"]
