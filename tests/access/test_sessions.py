"""Sessions."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from broker_assets.access import accounts, sessions

pytestmark = pytest.mark.database
Connection = psycopg.Connection[Any]


@pytest.fixture
def ann(connection: Connection) -> accounts.User:
    return accounts.add(connection, "ann", "correct horse")


def test_a_session_is_found_by_its_cookie_until_it_is_ended(connection: Connection, ann: accounts.User) -> None:
    cookie, csrf = sessions.begin(connection, ann)
    other, _ = sessions.begin(connection, ann)
    found = sessions.find(connection, cookie)
    assert found is not None
    assert (found.user.username, found.csrf) == ("ann", csrf)
    assert cookie not in str(connection.execute("SELECT to_jsonb(s) FROM access.sessions AS s").fetchall())
    sessions.end(connection, cookie)
    assert sessions.find(connection, cookie) is None
    assert sessions.find(connection, other) is not None
    assert sessions.end_all(connection, ann.userid) == 1
    assert sessions.find(connection, other) is None
    for nothing in ("", "x" * 10_000, "' OR true --"):
        assert sessions.find(connection, nothing) is None


@pytest.mark.parametrize(("column", "days"), [("last_used", sessions.IDLE_DAYS), ("date_created", sessions.DAYS)])
def test_a_session_ends_by_itself(connection: Connection, ann: accounts.User, column: str, days: int) -> None:
    cookie, _ = sessions.begin(connection, ann)
    connection.execute(f"UPDATE access.sessions SET {column} = now() - make_interval(days => {days}, mins => -5)")
    assert sessions.find(connection, cookie) is not None
    connection.execute(f"UPDATE access.sessions SET {column} = now() - make_interval(days => {days}, mins => 5)")
    assert sessions.find(connection, cookie) is None
    sessions.begin(connection, ann)
    assert connection.execute("SELECT count(*) FROM access.sessions").fetchone() == (1,)


def test_a_new_password_ends_sessions_and_so_does_switching_off(connection: Connection, ann: accounts.User) -> None:
    cookie, _ = sessions.begin(connection, ann)
    accounts.update(connection, "ann", active=False)
    assert sessions.find(connection, cookie) is None
    accounts.update(connection, "ann", active=True)
    assert sessions.find(connection, cookie) is not None
    accounts.update(connection, "ann", password="battery staple")
    assert sessions.find(connection, cookie) is None
