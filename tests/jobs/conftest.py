"""A whole platform in one process."""

from platform_in_process import platform, survey

__all__ = ["platform", "survey"]
