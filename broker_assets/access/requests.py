"""Number of requests of each account in the last hour, counted in the database for all workers together."""

from __future__ import annotations

from typing import Any, Final

import psycopg

WINDOW_MINUTES: Final = 60


class TooManyRequests(PermissionError):
    """The account has made as many requests in the last hour as it is allowed.

    Parameters
    ----------
    most : int
        Allowed requests per hour.
    seconds : int
        Time after which the next one is allowed.
    """

    def __init__(self, most: int, seconds: int) -> None:
        super().__init__(f"{most:,} requests in an hour is the limit; wait {-(-seconds // 60)} min or ask for more")
        self.most = most
        self.seconds = seconds


def count(connection: psycopg.Connection[Any], userid: int, most: int) -> int:
    """Count a request.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it.
    userid : int
        Account.
    most : int
        Allowed requests per hour.

    Returns
    -------
    int
        Requests of the last hour, including this one.

    Raises
    ------
    TooManyRequests
        If the limit is reached; this request is then not counted.
    """
    with connection.transaction():
        # One row of the account is locked, so that workers count one after the other.
        connection.execute("SELECT FROM access.users WHERE userid = %s FOR NO KEY UPDATE", (userid,))
        row = connection.execute(
            "SELECT coalesce(sum(count), 0), coalesce(ceil(extract(epoch FROM min(minute) - now())) + %s, 0)"
            " FROM access.requests WHERE userid = %s AND minute > now() - make_interval(mins => %s)",
            (WINDOW_MINUTES * 60, userid, WINDOW_MINUTES),
        ).fetchone()
        made, seconds = (int(row[0]), int(row[1])) if row is not None else (0, 0)
        if made >= most:
            raise TooManyRequests(most, max(1, seconds))
        connection.execute(
            "DELETE FROM access.requests WHERE userid = %s AND minute < now() - make_interval(mins => %s)",
            (userid, WINDOW_MINUTES),
        )
        connection.execute(
            "INSERT INTO access.requests (userid, minute, count) VALUES (%s, date_trunc('minute', now()), 1)"
            " ON CONFLICT (userid, minute) DO UPDATE SET count = access.requests.count + 1",
            (userid,),
        )
    return made + 1


def made(connection: psycopg.Connection[Any], userid: int) -> int:
    """Requests of an account in the last hour."""
    row = connection.execute(
        "SELECT coalesce(sum(count), 0) FROM access.requests WHERE userid = %s"
        " AND minute > now() - make_interval(mins => %s)",
        (userid, WINDOW_MINUTES),
    ).fetchone()
    return 0 if row is None else int(row[0])
