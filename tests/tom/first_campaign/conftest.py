"""A database with a small first campaign, which tests only read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import first_campaign
import psycopg
import pytest

from broker_assets.database import engine
from broker_assets.tom.first_campaign.views import refresh


@pytest.fixture(scope="module")
def campaign_url(module_database_url: str) -> str:
    """Its address."""
    with engine.connect(module_database_url) as connection, connection.transaction():
        first_campaign.fill(connection)
    with engine.connect(module_database_url, autocommit=True) as connection:
        refresh(connection)
    return module_database_url


@pytest.fixture
def connection(campaign_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection to it."""
    with engine.connect(campaign_url) as opened:
        yield opened
