"""Accounts with targets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from broker_assets.access import accounts
from broker_assets.access import groups as all_groups
from broker_assets.access.accounts import User
from broker_assets.database import engine
from broker_assets.tom.targets.fields import checked
from broker_assets.tom.targets.readers import Reader
from broker_assets.tom.targets.store import make


@dataclass(frozen=True)
class Desk:
    """A database with an object 7 and accounts: ann and bob are in the group AGN, eve is alone, root administers."""

    url: str
    connection: psycopg.Connection[Any]
    users: dict[str, User]

    def reader(self, name: str) -> Reader:
        """An account, or the guest."""
        return Reader.of(self.users.get(name))

    def target(self, name: str, owner: str = "ann", **given: Any) -> int:
        """Make a target."""
        return make(self.connection, owner, checked({"name": name, "ra": 10, "dec": -5} | given))


@pytest.fixture(scope="module")
def _module_desk(module_database_url: str) -> Iterator[Desk]:
    with engine.connect(module_database_url, autocommit=True) as connection:
        users = {"root": accounts.add(connection, "root", None, roles=["administrator"])}
        for name in ("ann", "bob", "eve"):
            users[name] = accounts.add(connection, name, None)
        all_groups.add(connection, "AGN")
        for name in ("ann", "bob"):
            all_groups.set_groups(connection, name, ["AGN"])
        connection.execute(
            "INSERT INTO objects (diaobjectid, survey, ra, decl, ndiasources, tns_name) VALUES (7, 1, 10, -5, 3, 'x')"
        )
        yield Desk(module_database_url, connection, users)


@pytest.fixture
def desk(_module_desk: Desk) -> Desk:
    """The desk without targets."""
    _module_desk.connection.execute("TRUNCATE access.targets, access.target_lists, access.shares CASCADE")
    return _module_desk
