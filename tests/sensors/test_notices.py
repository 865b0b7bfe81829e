"""When notices of events are read."""

from __future__ import annotations

from typing import Any

import pytest
from followed_lists import tick
from platform_in_process import platform, survey

__all__ = ["platform", "survey"]

pytestmark = pytest.mark.database


def test_notices_are_not_read_without_a_topic(platform: Any) -> None:
    assert "BROKER_NOTICES__TOPIC" in tick(platform, "notices").skip_message
