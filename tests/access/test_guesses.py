"""Counts of wrong passwords."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from broker_assets.access import guesses

pytestmark = pytest.mark.database


def test_old_guesses_are_forgotten_and_deleted(connection: psycopg.Connection[Any]) -> None:
    for _ in range(guesses.BY_ACCOUNT):
        guesses.remember(connection, "Ann", "10.0.0.1")
    with pytest.raises(guesses.TooManyGuesses) as refused:
        guesses.check(connection, "ann", "10.0.0.2")
    assert 0 < refused.value.seconds <= guesses.MINUTES * 60
    connection.execute("UPDATE access.failed_guesses SET at = at - interval '1 hour'")
    guesses.check(connection, "ann", "10.0.0.2")
    guesses.remember(connection, "bob", "10.0.0.3")
    assert connection.execute("SELECT username FROM access.failed_guesses").fetchall() == [("bob",)]


def test_any_text_may_be_tried(connection: psycopg.Connection[Any]) -> None:
    guesses.remember(connection, "x" * 10_000 + "'; --", "::1")
    guesses.check(connection, "'; DROP TABLE access.users; --", "::1")
