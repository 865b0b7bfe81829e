"""API tokens."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.access import accounts, tokens
from broker_assets.access.tokens import BadToken
from broker_assets.database import engine

pytestmark = pytest.mark.database
Connection = psycopg.Connection[Any]


@pytest.fixture
def ann(connection: Connection) -> accounts.User:
    return accounts.add(connection, "ann", "correct horse")


def test_a_token_is_shown_once_and_stored_as_its_hash(connection: Connection, ann: accounts.User) -> None:
    token = tokens.create(connection, ann, "script", "write")
    assert len(token) == 40
    bearer = tokens.bearer(connection, token)
    assert bearer is not None
    assert (bearer.user.username, bearer.scope) == ("ann", "write")
    assert tokens.bearer(connection, token.upper()) is not None
    assert token not in str(connection.execute("SELECT to_jsonb(t) FROM access.tokens AS t").fetchall())
    [known] = tokens.of_user(connection, ann)
    assert (known.name, known.scope, known.date_expires) == ("script", "write", None)
    assert known.last_used is not None


def test_a_token_ends_by_its_day_by_revoking_and_with_its_account(connection: Connection, ann: accounts.User) -> None:
    short = tokens.create(connection, ann, "short", days=1)
    other = tokens.create(connection, ann, "other")
    connection.execute("UPDATE access.tokens SET date_expires = now() - interval '1 second' WHERE name = 'short'")
    assert tokens.bearer(connection, short) is None
    assert tokens.bearer(connection, other) is not None
    accounts.update(connection, "ann", active=False)
    assert tokens.bearer(connection, other) is None
    accounts.update(connection, "ann", active=True)
    tokens.revoke(connection, ann, "other")
    assert tokens.bearer(connection, other) is None
    with pytest.raises(BadToken, match="no token named other"):
        tokens.revoke(connection, ann, "other")


def test_names_of_tokens_are_those_of_an_account(connection: Connection, ann: accounts.User) -> None:
    bob = accounts.add(connection, "bob", "correct horse")
    tokens.create(connection, ann, "script")
    tokens.create(connection, bob, "script")
    with pytest.raises(BadToken, match="ann has a token named script"):
        tokens.create(connection, ann, "script")


def test_issued_tokens_end_by_their_disuse(connection: Connection, ann: accounts.User) -> None:
    tokens.create(connection, ann, "login of mine")
    first, second = (tokens.issue(connection, ann, "login", "write", most=2) for _ in range(2))
    assert tokens.bearer(connection, first) is not None  # which is its use
    third = tokens.issue(connection, ann, "login", "write", most=2)
    assert [tokens.bearer(connection, one) is not None for one in (first, second, third)] == [True, False, True]
    assert sorted(one.name for one in tokens.of_user(connection, ann)) == ["login", "login 2", "login of mine"]


def test_tokens_that_are_made_at_once(connection: Connection, ann: accounts.User, module_database_url: str) -> None:
    def work(function: Callable[[Connection], str]) -> str:
        with engine.connect(module_database_url, autocommit=True) as own:
            return [function(own) for _ in range(5)][-1]

    ways: list[Callable[[Connection], str]] = [
        lambda own: tokens.issue(own, ann, "script", "read", most=1),
        lambda own: tokens.issue(own, ann, "login", "write", most=3),
    ]
    with ThreadPoolExecutor(6) as pool:
        last = list(pool.map(work, ways * 3))
    names = [one.name for one in tokens.of_user(connection, ann)]
    assert sorted(names) == ["login", "login 2", "login 3", "script"]
    assert sum(tokens.bearer(connection, one) is not None for one in last[::2]) == 1


@pytest.mark.parametrize(
    ("name", "scope", "days", "why"),
    [
        (" ", "read", None, "name"),
        ("a\x1b[2J", "read", None, "printable"),
        ("a", "all", None, "read or write"),
        ("a", "read", -1, "days"),
    ],
)
def test_a_token_that_cannot_be(
    connection: Connection, ann: accounts.User, name: str, scope: Any, days: float | None, why: str
) -> None:
    with pytest.raises(BadToken, match=why):
        tokens.create(connection, ann, name, scope, days=days)


def test_there_is_a_limit(connection: Connection, ann: accounts.User) -> None:
    for number in range(tokens.MOST):
        tokens.create(connection, ann, f"{number}")
    with pytest.raises(BadToken, match="at most 50"):
        tokens.create(connection, ann, "one more")


@given(st.text(max_size=60))
def test_any_text_as_a_token_is_nobody(text: str) -> None:
    class Untouched:
        def execute(self, *_: Any) -> Any:
            raise AssertionError("a text that is no token needs no database")

    if len(text) != 40:
        assert tokens.bearer(Untouched(), text) is None  # type: ignore[arg-type]
