"""Accounts: made, changed, removed, recognised."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from broker_assets.access import accounts, changes, guesses, tokens
from broker_assets.access.accounts import BadAccount, UnknownAccount, WrongPassword
from broker_assets.access.refusals import NameTaken

pytestmark = pytest.mark.database
Connection = psycopg.Connection[Any]
PASSWORD = "correct horse"


def test_an_account_is_made_and_recognised_whatever_the_case(connection: Connection) -> None:
    user = accounts.add(connection, "Ann", PASSWORD, email="ann@example.org", roles=["operator"])
    assert user.operates
    assert not user.administers
    assert accounts.groups_of(connection, user.userid) == ["Public"]
    found = accounts.log_in(connection, "aNN", PASSWORD, "127.0.0.1")
    assert found.userid == user.userid
    assert accounts.get(connection, "ann").last_login is not None
    with pytest.raises(NameTaken, match="ANN"):
        accounts.add(connection, "ANN", PASSWORD)


@pytest.mark.parametrize(
    ("name", "email", "roles", "why"),
    [
        ("", "", [], "named"),
        ("a b", "", [], "named"),
        ("ann\n", "", [], "named"),
        ("ännchen", "", [], "named"),
        ("x" * 151, "", [], "named"),
        ("removed-1", "", [], "removed accounts"),
        ("ann", "nowhere", [], "address"),
        ("ann", "a@b\nBcc: c@d", [], "address"),
        ("ann", "", ["king"], "no role 'king'"),
    ],
)
def test_an_account_that_cannot_be(connection: Connection, name: str, email: str, roles: list[str], why: str) -> None:
    with pytest.raises(BadAccount, match=why):
        accounts.add(connection, name, PASSWORD, email=email, roles=roles)
    assert accounts.every(connection) == []


def test_wrong_passwords_end_in_a_pause_for_the_account_also_with_the_right_one(connection: Connection) -> None:
    accounts.add(connection, "ann", PASSWORD)
    accounts.add(connection, "bob", PASSWORD)
    for number in range(guesses.BY_ACCOUNT):
        with pytest.raises(WrongPassword):
            accounts.log_in(connection, "ann", "wrong horses", f"10.0.0.{number}")
    with pytest.raises(guesses.TooManyGuesses, match="15 min"):
        accounts.log_in(connection, "Ann", PASSWORD, "10.0.1.1")
    assert accounts.log_in(connection, "bob", PASSWORD, "10.0.0.1").username == "bob"
    connection.execute("UPDATE access.failed_guesses SET at = at - interval '16 minutes'")
    assert accounts.log_in(connection, "ann", PASSWORD, "10.0.0.1").username == "ann"


def test_an_address_that_tries_many_accounts_is_stopped(connection: Connection) -> None:
    accounts.add(connection, "ann", PASSWORD)
    for number in range(guesses.BY_ADDRESS):
        guesses.remember(connection, f"nobody{number}", "10.0.0.1")
    with pytest.raises(guesses.TooManyGuesses):
        accounts.log_in(connection, "ann", PASSWORD, "10.0.0.1")
    assert accounts.log_in(connection, "ann", PASSWORD, "10.0.0.2").username == "ann"


def test_the_right_password_ends_the_count(connection: Connection) -> None:
    accounts.add(connection, "ann", PASSWORD)
    for _ in range(3):
        for _ in range(guesses.BY_ACCOUNT - 1):
            guesses.remember(connection, "ann", "10.0.0.1")
        assert accounts.log_in(connection, "ann", PASSWORD, "10.0.0.9").username == "ann"


def test_unknown_and_inactive_accounts_are_refused_in_the_same_words(connection: Connection) -> None:
    accounts.add(connection, "ann", PASSWORD)
    accounts.update(connection, "ann", active=False)
    said = set()
    for name in ("ann", "nobody"):
        with pytest.raises(WrongPassword) as refused:
            accounts.log_in(connection, name, PASSWORD, "10.0.0.1")
        said.add(str(refused.value))
    assert len(said) == 1


def test_the_last_administrator_stays(connection: Connection) -> None:
    accounts.add(connection, "ann", PASSWORD, roles=["administrator"])
    for attempt in (
        lambda: accounts.remove(connection, "ann"),
        lambda: accounts.update(connection, "ann", roles=[]),
        lambda: accounts.update(connection, "ann", active=False),
    ):
        with pytest.raises(BadAccount, match="last administrator"):
            attempt()
    assert accounts.get(connection, "ann").administers
    accounts.add(connection, "bob", PASSWORD, roles=["administrator"])
    accounts.remove(connection, "ann")
    with pytest.raises(UnknownAccount):
        accounts.get(connection, "ann")


def test_a_removed_account_leaves_no_name_and_its_name_is_free(connection: Connection) -> None:
    user = accounts.add(connection, "ann", PASSWORD, email="ann@example.org")
    token = tokens.create(connection, user, "script")
    changes.record(connection, user.userid, "watchlist added", "7")
    accounts.remove(connection, "ann")
    assert tokens.bearer(connection, token) is None
    said = [(change.username, change.action, change.subject) for change in changes.newest(connection)]
    assert (f"removed-{user.userid}", "watchlist added", "7") in said
    rows = connection.execute("SELECT to_jsonb(users) || jsonb_build_object() FROM access.users AS users").fetchall()
    assert "ann" not in str(rows)
    assert not any("ann" in part for entry in said for part in (entry[0], entry[2]))
    again = accounts.add(connection, "ann", PASSWORD)
    assert again.userid != user.userid


def test_groups_are_joined_and_left_but_for_the_one_of_everybody(connection: Connection) -> None:
    user = accounts.add(connection, "ann", PASSWORD)
    accounts.join(connection, user.userid, ["Kilonovae", "kilonovae", "AGN club"])
    assert accounts.groups_of(connection, user.userid) == ["AGN club", "Kilonovae", "Public"]
    accounts.leave(connection, user.userid, ["KILONOVAE"])
    assert accounts.groups_of(connection, user.userid) == ["AGN club", "Public"]
    with pytest.raises(BadAccount, match="every account"):
        accounts.leave(connection, user.userid, ["Public"])
