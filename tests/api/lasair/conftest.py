"""Accounts at the server of `site`, and Lasair's own client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from lasair import lasair_client

from broker_assets.access import accounts, tokens
from broker_assets.database import engine

PASSWORD = "correct horse"


@pytest.fixture(scope="session")
def new_token(filled_database_url: str) -> Callable[..., str]:
    """A function that makes an account, if need be, and gives it a token."""
    numbers = iter(range(1_000_000))

    def make(name: str, scope: Any = "write", roles: tuple[str, ...] = ()) -> str:
        with engine.connect(filled_database_url, autocommit=True) as connection:
            try:
                user = accounts.get(connection, name)
            except accounts.UnknownAccount:
                user = accounts.add(connection, name, PASSWORD, roles=roles)
            return tokens.create(connection, user, f"test {next(numbers)}", scope)

    return make


@pytest.fixture
def client(site: Any, new_token: Callable[..., str]) -> Any:
    """The client of Lasair, unmodified, of a power user."""
    return lasair_client(new_token("ann", roles=("power_user",)), endpoint=f"{site.url}/api")
