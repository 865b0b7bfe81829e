"""A server, accounts, and a function that logs in as FASTDB's client does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastdb_dialogue import PASSWORD, FastdbClient

from broker_assets.access import accounts
from broker_assets.database import engine
from broker_assets.settings import DatabaseSettings, Settings


@pytest.fixture(scope="module")
def fastdb_database(module_database_url: str) -> str:
    """A database with accounts."""
    with engine.connect(module_database_url, autocommit=True) as connection:
        accounts.add(connection, "root", PASSWORD, roles=["administrator"])
        accounts.add(connection, "anna", PASSWORD, email="anna@example.org")
        accounts.add(connection, "berta", PASSWORD)
        accounts.add(connection, "guest", PASSWORD, roles=["guest"])
    return module_database_url


@pytest.fixture(scope="module")
def fastdb_site(fastdb_database: str, server_of: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address that clients are given."""
    settings = Settings(
        home=tmp_path_factory.mktemp("fastdb"),
        database=DatabaseSettings(url=fastdb_database),  # type: ignore[arg-type]
        streams=[],
    )
    with server_of(settings) as url:
        yield f"{url}/fastdb"


@pytest.fixture
def talk(fastdb_site: str) -> Any:
    """A function that logs in."""

    def log_in(name: str, password: str = PASSWORD) -> FastdbClient:
        return FastdbClient(fastdb_site, name, password)

    return log_in
