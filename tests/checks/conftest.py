"""The platform in one process, as the tests of assets have it."""

from platform_in_process import platform, survey

__all__ = ["platform", "survey"]
