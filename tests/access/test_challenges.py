"""Challenges: given to anybody, answered by who has the password."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from broker_assets.access import accounts, challenges, guesses

pytestmark = pytest.mark.database


def test_challenges_end_and_count(connection: psycopg.Connection[Any]) -> None:
    accounts.add(connection, "fanny", "sufficiently long")
    asked = challenges.ask(connection, "Fanny", "192.0.2.9", str)
    other = challenges.ask(connection, "nobody", "192.0.2.9", str)
    assert asked.pair.private != other.pair.private
    assert asked.cookie != other.cookie
    for cookie, name in ((asked.cookie, "fanny"), (other.cookie, "nobody"), ("", "fanny")):
        with pytest.raises(accounts.WrongPassword, match="Authentication failure"):
            challenges.answer(connection, cookie, name, "wrong", "192.0.2.9")
    assert connection.execute("SELECT count(*) FROM access.failed_guesses").fetchone() == (3,)
    assert connection.execute("SELECT FROM access.login_challenges").fetchone() is None
    # One that nobody answers is a guess once it has ended.
    challenges.ask(connection, "fanny", "192.0.2.9", str)
    connection.execute("UPDATE access.login_challenges SET date_expires = now() - interval '1 second'")
    challenges.ask(connection, "other", "192.0.2.8", str)
    rows = connection.execute("SELECT username, count(*) FROM access.failed_guesses GROUP BY 1 ORDER BY 1").fetchall()
    assert rows == [("fanny", 3), ("nobody", 1)]
    connection.execute(
        "INSERT INTO access.failed_guesses (username, address) SELECT 'x', '192.0.2.9' FROM generate_series(1, %s)",
        (guesses.BY_ADDRESS,),
    )
    with pytest.raises(guesses.TooManyGuesses):
        challenges.ask(connection, "somebody", "192.0.2.9", str)
    connection.execute("DELETE FROM access.login_challenges")
