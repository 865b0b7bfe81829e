"""The test peer of TNS."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture
def peer(tns: ModuleType) -> Iterator[Any]:
    """A TNS that has nothing."""
    with tns.TnsPeer() as peer:
        yield peer
