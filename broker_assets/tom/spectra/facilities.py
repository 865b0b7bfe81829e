"""Facilities that take spectra, and who may speak for them.

The account that first uses the name of a facility speaks for it, and so do members of the group of that name, which
administrators create, and administrators.
"""

from __future__ import annotations

from typing import Any

import psycopg

from broker_assets.access.accounts import User

Connection = psycopg.Connection[Any]


class NotOfFacilityError(PermissionError):
    """The account does not speak for the facility."""


def require_member(connection: Connection, user: User, facility: str, *, register: bool = False) -> None:
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

    Raises
    ------
    NotOfFacilityError
        If the account does not speak for the facility.
    """
    if register:
        # If two accounts use a new facility name at once, the second waits here and then sees the first.
        connection.execute(
            "INSERT INTO spectrum_facilities (facility, userid) SELECT %(facility)s, %(userid)s WHERE NOT EXISTS"
            " (SELECT FROM access.groups WHERE lower(name) = lower(%(facility)s)) ON CONFLICT (facility) DO NOTHING",
            {"facility": facility, "userid": user.userid},
        )
    if not speaks_for(connection, user, facility):
        raise NotOfFacilityError(
            f"{user.username} is not a member of the facility {facility!r}: ask an administrator for the group"
        )


def speaks_for(connection: Connection, user: User, facility: str) -> bool:
    """Whether an account speaks for a facility."""
    if user.administers:
        return True
    row = connection.execute(
        "SELECT EXISTS (SELECT FROM spectrum_facilities WHERE facility = %(facility)s AND userid = %(userid)s)"
        " OR EXISTS (SELECT FROM access.memberships JOIN access.groups USING (groupid)"
        " WHERE userid = %(userid)s AND lower(name) = lower(%(facility)s))",
        {"facility": facility, "userid": user.userid},
    ).fetchone()
    return bool(row is not None and row[0])
