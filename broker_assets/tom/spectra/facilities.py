"""Facilities that take spectra, and who may speak for them.

If there is a group of the name of a facility, which administrators create, its members speak for it; else the account
that first used the name. Administrators speak for all. Neither case nor blanks distinguish two facilities: `keck` and
`Keck ` are `Keck`.
"""

from __future__ import annotations

from typing import Any

import psycopg

from broker_assets.access.accounts import User

Connection = psycopg.Connection[Any]


class NotOfFacilityError(PermissionError):
    """The account does not speak for the facility."""


def spelled(facility: str) -> str:
    """A name without the blanks that distinguish nothing."""
    return " ".join(facility.split())


def require_member(connection: Connection, user: User, facility: str, *, register: bool = False) -> str:
    """Refuse an account that does not speak for a facility.

    Parameters
    ----------
    connection : psycopg.Connection
        In the transaction of the action for the facility.
    user : User
        The account.
    facility : str
        Name of the facility.
    register : bool
        Whether a new facility name becomes the account's.

    Returns
    -------
    str
        The name as it was written first, or as the group is named.

    Raises
    ------
    NotOfFacilityError
        If the account does not speak for the facility.
    """
    facility = spelled(facility)
    known = _known(connection, facility)
    if known is None and register:
        # If two accounts use a new facility name at once, the second waits here and then sees the first.
        connection.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('facility ' || lower(%s::text), 0))", (facility,)
        )
        known = _known(connection, facility)
        if known is None:
            connection.execute(
                "INSERT INTO spectrum_facilities (facility, userid) VALUES (%s, %s)", (facility, user.userid)
            )
    if not speaks_for(connection, user, facility):
        raise NotOfFacilityError(
            f"{user.username} is not a member of the facility {facility!r}: ask an administrator for the group"
        )
    return known or facility


def _known(connection: Connection, facility: str) -> str | None:
    """The name of a facility that has an account or a group."""
    row = connection.execute(
        "SELECT name FROM (SELECT facility AS name, 1 AS place, since FROM spectrum_facilities"
        " WHERE lower(facility) = lower(%(facility)s) UNION ALL SELECT name, 2, NULL FROM access.groups"
        " WHERE lower(name) = lower(%(facility)s)) AS known ORDER BY place, since, name LIMIT 1",
        {"facility": facility},
    ).fetchone()
    return None if row is None else str(row[0])


def speaks_for(connection: Connection, user: User, facility: str) -> bool:
    """Whether an account speaks for a facility."""
    if user.administers:
        return True
    row = connection.execute(
        "SELECT coalesce((SELECT bool_or(EXISTS (SELECT FROM access.memberships AS member"
        " WHERE member.groupid = known.groupid AND userid = %(userid)s)) FROM access.groups AS known"
        " WHERE lower(name) = lower(%(facility)s)), EXISTS (SELECT FROM spectrum_facilities"
        " WHERE lower(facility) = lower(%(facility)s) AND userid = %(userid)s))",
        {"facility": spelled(facility), "userid": user.userid},
    ).fetchone()
    return bool(row is not None and row[0])
