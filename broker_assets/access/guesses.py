"""Wrong passwords are counted by account and by address; after too many, no password is examined for a while.

The counts are in the database, so that several workers of the web application agree.
"""

from __future__ import annotations

from typing import Any, Final

import psycopg

MINUTES: Final = 15
"""Time for which a wrong guess counts, in minutes."""
BY_ACCOUNT: Final = 10
"""Allowed wrong guesses for an account in that time."""
BY_ADDRESS: Final = 50
"""Allowed wrong guesses from an address in that time, for all accounts together."""


class TooManyGuesses(PermissionError):
    """No password is examined for now.

    Parameters
    ----------
    seconds : int
        Time after which another attempt is allowed.
    """

    def __init__(self, seconds: int) -> None:
        super().__init__(f"too many wrong passwords; try again in {-(-seconds // 60)} min")
        self.seconds = seconds


def check(connection: psycopg.Connection[Any], username: str, address: str) -> None:
    """Raise `TooManyGuesses` if there were too many."""
    row = connection.execute(
        "WITH recent AS (SELECT username, address, at FROM access.failed_guesses"
        " WHERE at > now() - make_interval(mins => %s) AND (username = lower(%s) OR address = %s))"
        " SELECT ceil(extract(epoch FROM min(at) + make_interval(mins => %s) - now())) FROM recent"
        " HAVING count(*) FILTER (WHERE username = lower(%s)) >= %s OR count(*) FILTER (WHERE address = %s) >= %s",
        (MINUTES, username, address, MINUTES, username, BY_ACCOUNT, address, BY_ADDRESS),
    ).fetchone()
    if row is not None:
        raise TooManyGuesses(max(1, int(row[0])))


def remember(connection: psycopg.Connection[Any], username: str, address: str) -> None:
    """Count a wrong guess; old ones are deleted."""
    with connection.transaction():
        connection.execute("DELETE FROM access.failed_guesses WHERE at < now() - make_interval(mins => %s)", (MINUTES,))
        connection.execute(
            "INSERT INTO access.failed_guesses (username, address) VALUES (lower(%s), %s)", (username[:150], address)
        )


def forget(connection: psycopg.Connection[Any], username: str) -> None:
    """The right password was given: earlier guesses for this account no longer count."""
    connection.execute("DELETE FROM access.failed_guesses WHERE username = lower(%s)", (username,))
