"""A database with some rows, and sessions of users' SQL in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from broker_assets.database import engine
from broker_assets.database.sql_roles import sql_url
from broker_assets.tom.queries import running
from broker_assets.tom.queries.running import Piece
from broker_assets.tom.queries.statements import statements_of


@pytest.fixture(scope="module")
def sql_addresses(module_database_url: str) -> dict[bool, str]:
    """URL of the database for administrators of the campaign (True) and for everybody (False)."""
    with engine.connect(module_database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO elasticc2_brokerclassifier (brokername, classifiername)"
            " SELECT 'b', number::text FROM generate_series(1, 3) AS number"
        )
    return {admin: str(sql_url(module_database_url, None, admin=admin)) for admin in (False, True)}


@pytest.fixture
def run(sql_addresses: dict[bool, str]) -> Callable[..., list[Piece]]:
    """A function that runs queries: `run(query, values, admin=True, seconds=20)`."""

    def run_it(query: Any, values: Any = None, *, admin: bool = True, seconds: float = 20.0) -> list[Piece]:
        with running.session(sql_addresses[admin], seconds, who="anna") as (connection, _):
            return list(running.pieces(connection, statements_of(query, values)))

    return run_it
