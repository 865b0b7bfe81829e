"""The database of two reductions, with an account."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from reduced_photometry import reduced

from broker_assets.access import accounts
from broker_assets.database import engine


@pytest.fixture(scope="package")
def reduced_url(postgres: Any, new_database: Any, migrated_template: str) -> Iterator[str]:
    with new_database(migrated_template) as name:
        with engine.connect(postgres.url(name), autocommit=True) as connection:
            reduced(connection)
            for user in ("anna", "berta"):
                accounts.add(connection, user, None)
        yield postgres.url(name)


@pytest.fixture
def connection(reduced_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection whose changes are taken back."""
    with engine.connect(reduced_url) as opened, opened.transaction(force_rollback=True):
        yield opened
