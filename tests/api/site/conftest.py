"""Visitors of a server over a database of the tests of one module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from site_visitors import Visitor

from broker_assets.database import engine
from broker_assets.settings import DatabaseSettings, Settings


@dataclass(frozen=True)
class People:
    """Who visits."""

    url: str
    connection: psycopg.Connection[Any]
    """To the database, in autocommit mode."""
    ann: Visitor
    """Owner, in the group AGN."""
    bob: Visitor
    """In the group AGN."""
    eve: Visitor
    """In no group."""
    root: Visitor
    """Administrator."""
    guest: Visitor


@pytest.fixture(scope="module")
def people(
    module_database_url: str, server_of: Callable[[Settings], AbstractContextManager[str]], tmp_path_factory: Any
) -> Iterator[People]:
    """A server over an empty database, and its visitors."""
    database = DatabaseSettings(url=module_database_url)  # type: ignore[arg-type]
    settings = Settings(home=tmp_path_factory.mktemp("home"), database=database, streams=[])
    with server_of(settings) as url, engine.connect(module_database_url, autocommit=True) as connection:
        found = People(
            url, connection,
            ann=Visitor(url, connection, "ann", groups=["AGN"], email="ann@example.org"),
            bob=Visitor(url, connection, "bob", groups=["AGN"]),
            eve=Visitor(url, connection, "eve"),
            root=Visitor(url, connection, "root", roles=["administrator"]),
            guest=Visitor(url),
        )  # fmt: skip
        yield found
        for visitor in (found.ann, found.bob, found.eve, found.root, found.guest):
            visitor.close()
