"""A survey whose truth is known; see `judged_classifiers`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from judged_classifiers import World

from broker_assets.database import engine


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    """The survey, without messages."""
    with engine.connect(database_url, autocommit=True) as connection:
        made = World(connection, np.random.default_rng(7))
        made.build()
        yield made
