"""Persons of providers and their accounts."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from broker_assets.access import accounts, identities
from broker_assets.access.accounts import BadAccount
from broker_assets.access.identities import NoAccount, Person

pytestmark = pytest.mark.database
ISSUER = "https://login.example.org"


def person(subject: str, name: str = "zoe", email: str = "zoe@example.org") -> Person:
    return Person(ISSUER, subject, name, email)


def test_a_person_gets_an_account_once(connection: psycopg.Connection[Any]) -> None:
    first = identities.log_in(connection, person("1"), create=True)
    assert (first.username, first.email, first.roles) == ("zoe", "zoe@example.org", frozenset())
    assert identities.log_in(connection, person("1", "another", ""), create=False).userid == first.userid


def test_names_and_addresses_take_over_nothing(connection: psycopg.Connection[Any]) -> None:
    accounts.add(connection, "admin", None, email="admin@example.org", roles=["administrator"])
    names = ("admin", "ADMIN", "system", "owner", "removed-removed-1", "é<script>", "", "a@b")
    found = [
        identities.log_in(
            connection, person(str(n), name, "admin@example.org"), create=True, is_taken=lambda name: name == "owner"
        )
        for n, name in enumerate(names)
    ]
    assert [user.username for user in found] == [
        "admin-2", "ADMIN-3", "system-2", "owner-2", "1", "script", "user", "a",
    ]  # fmt: skip
    assert not any(user.roles for user in found)


def test_without_an_account_or_with_one_that_is_off(connection: psycopg.Connection[Any]) -> None:
    with pytest.raises(NoAccount, match="no account"):
        identities.log_in(connection, person("1"), create=False)
    accounts.add(connection, "ann", None)
    identities.bind(connection, "ann", f"{ISSUER}/", "1")
    with pytest.raises(BadAccount):
        identities.bind(connection, "ann", ISSUER, "1")
    assert identities.log_in(connection, person("1"), create=False).username == "ann"
    accounts.update(connection, "ann", active=False)
    with pytest.raises(NoAccount, match="deactivated"):
        identities.log_in(connection, person("1"), create=True)
    accounts.remove(connection, "ann")
    assert connection.execute("SELECT FROM access.identities").fetchall() == []
