"""A server, accounts, and a function that logs in as FASTDB's client does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastdb_dialogue import PASSWORD, FastdbClient
from reduced_photometry import reduced

from broker_assets.access import accounts
from broker_assets.database import engine
from broker_assets.settings import DatabaseSettings, Settings
from broker_assets.settings.tom import TomSettings


@pytest.fixture(scope="session")
def fastdb_database(postgres: Any, new_database: Any, migrated_template: str) -> Iterator[str]:
    """A database with accounts and photometry in two reductions, for all tests here."""
    with new_database(migrated_template) as name:
        _fill(postgres.url(name))
        yield postgres.url(name)


def _fill(url: str) -> None:
    with engine.connect(url, autocommit=True) as connection:
        accounts.add(connection, "root", PASSWORD, roles=["administrator"])
        accounts.add(connection, "anna", PASSWORD, email="anna@example.org")
        accounts.add(connection, "berta", PASSWORD)
        accounts.add(connection, "guest", PASSWORD, roles=["guest"])
        reduced(connection)


@pytest.fixture(scope="session")
def fastdb_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the platform."""
    return tmp_path_factory.mktemp("fastdb")


@pytest.fixture(scope="session")
def fastdb_site(fastdb_database: str, server_of: Any, fastdb_home: Path) -> Iterator[str]:
    """Address that clients are given."""
    settings = Settings(
        home=fastdb_home,
        database=DatabaseSettings(url=fastdb_database),  # type: ignore[arg-type]
        streams=[],
        tom=TomSettings(queries_at_once=8),
    )
    with server_of(settings) as url:
        yield f"{url}/fastdb"


@pytest.fixture(scope="session")
def client(fastdb_site: str) -> FastdbClient:
    """An account that is logged in."""
    return FastdbClient(fastdb_site, "anna")


@pytest.fixture
def talk(fastdb_site: str) -> Any:
    """A function that logs in."""

    def log_in(name: str, password: str = PASSWORD) -> FastdbClient:
        return FastdbClient(fastdb_site, name, password)

    return log_in
