"""A platform whose stream has been drained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def drained(platform: Any, survey: Callable[..., Any]) -> Any:
    platform.append(list(survey(objects=10, visits=4).packets()))
    platform.drain()
    return platform
