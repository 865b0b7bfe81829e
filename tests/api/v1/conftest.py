"""Accounts at the server of `site`, and clients of the interface."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from longest_history import longest

from broker_assets.access import accounts, tokens
from broker_assets.database import engine


@pytest.fixture(scope="session")
def v1_token(filled_database_url: str) -> Callable[..., str]:
    """A function that makes an account, if need be, and gives it a token."""
    numbers = iter(range(1_000_000))

    def make(name: str, scope: Any = "write", roles: tuple[str, ...] = ("power_user",)) -> str:
        with engine.connect(filled_database_url, autocommit=True) as connection:
            try:
                user = accounts.get(connection, name)
            except accounts.UnknownAccount:
                user = accounts.add(connection, name, None, roles=roles)
            return tokens.create(connection, user, f"v1 {next(numbers)}", scope)

    return make


@pytest.fixture(scope="session")
def v1_as(site: Any, v1_token: Callable[..., str]) -> Iterator[Callable[..., httpx.Client]]:
    """A function that gives a client of an account; without a name one of nobody in particular."""
    made: dict[Any, httpx.Client] = {}

    def client(name: str | None = None, **options: Any) -> httpx.Client:
        key = (name, *options.items())
        if key not in made:
            headers = {} if name is None else {"Authorization": f"Token {v1_token(name, **options)}"}
            made[key] = httpx.Client(base_url=f"{site.url}/api/v1", headers=headers, timeout=30)
        return made[key]

    yield client
    for one in made.values():
        one.close()


@pytest.fixture
def v1(v1_as: Callable[..., httpx.Client]) -> httpx.Client:
    """A client without an account."""
    return v1_as()


@pytest.fixture(scope="session")
def v1_star(site: Any) -> dict[str, Any]:
    """The object of the longest light curve, as its packet has it."""
    found: dict[str, Any] = site.record(longest(site.alerts))["diaObject"]
    return found
