"""The platform in one process, as the tests of assets have it."""

from drained_platform import drained
from followed_lists import follow
from platform_in_process import platform, survey

__all__ = ["drained", "follow", "platform", "survey"]
