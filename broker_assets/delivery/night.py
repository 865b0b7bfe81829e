"""The messages of a night as a whole."""

from __future__ import annotations

import datetime
from typing import Any

import psycopg


def count_night(connection: psycopg.Connection[Any], night: str) -> tuple[int, int, int, dict[str, int]]:
    """Count the messages of a night.

    Parameters
    ----------
    connection : psycopg.Connection
        To read with.
    night : str
        Key `YYYY-MM-DD`.

    Returns
    -------
    rows, objects, checksum : int
        Messages, the objects that they are about, and the sum of hashes of their identities, modulo 2⁶⁴.
    states : dict
        Messages by state.
    """
    day = datetime.date.fromisoformat(night)
    row = connection.execute(
        "SELECT count(*), count(DISTINCT diaobjectid),"
        " mod(coalesce(sum(('x' || left(identity, 15))::bit(60)::bigint::numeric), 0), 18446744073709551616)"
        " FROM deliveries WHERE night = %s",
        (day,),
    ).fetchone()
    if row is None:
        raise LookupError("an aggregate gave no row")
    states = connection.execute(
        "SELECT state, count(*) FROM deliveries WHERE night = %s GROUP BY state ORDER BY state", (day,)
    ).fetchall()
    return int(row[0]), int(row[1]), int(row[2]), dict(states)
