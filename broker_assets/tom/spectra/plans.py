"""Plans of facilities to take spectra."""

from __future__ import annotations

import datetime
from typing import Any

import psycopg

from broker_assets.access.accounts import User
from broker_assets.instants import with_zone
from broker_assets.tom.spectra.facilities import require_member, spelled
from broker_assets.tom.spectra.known_objects import require_known

Connection = psycopg.Connection[Any]


def plan_spectrum(
    connection: Connection,
    user: User,
    number: int,
    facility: str,
    when: datetime.datetime | None = None,
    comment: str = "",
) -> datetime.datetime:
    """Plan a spectrum; a plan of the same facility for the same object is replaced.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it.
    user : User
        Account that plans, and speaks for the facility.
    number : int
        Object.
    facility : str
        Facility.
    when : datetime.datetime, optional
        When it will be taken; UTC without a time zone.
    comment : str
        Remark.

    Returns
    -------
    datetime.datetime
        When the plan was made.

    Raises
    ------
    UnknownObjectError
        If the object is not known.
    NotOfFacilityError
        If the account does not speak for the facility.
    """
    if when is not None:
        when = with_zone(when)
    with connection.transaction():
        require_known(connection, [number])
        name = require_member(connection, user, facility, register=True)
        connection.execute(
            "DELETE FROM elasticc2_plannedspectra WHERE diaobject_id = %(number)s"
            " AND lower(facility) = lower(%(name)s) AND facility <> %(name)s",
            {"number": number, "name": name},
        )
        row = connection.execute(
            "INSERT INTO elasticc2_plannedspectra (facility, created_at, plantime, comment, diaobject_id)"
            " VALUES (%s, now(), %s, %s, %s) ON CONFLICT (diaobject_id, facility) DO UPDATE"
            " SET created_at = excluded.created_at, plantime = excluded.plantime, comment = excluded.comment"
            " RETURNING created_at",
            (name, when, comment, number),
        ).fetchone()
    if row is None:
        raise LookupError("INSERT … RETURNING gave no row")
    made: datetime.datetime = row[0]
    return made


def remove_plan(connection: Connection, user: User, number: int, facility: str) -> int:
    """Remove the plan of a facility for an object.

    Returns
    -------
    int
        Plans that were removed: 0 or 1, or more of a dump that has the facility in several spellings.

    Raises
    ------
    NotOfFacilityError
        If there is a plan, and the account does not speak for the facility.
    """
    facility = spelled(facility)
    with connection.transaction():
        removed = connection.execute(
            "DELETE FROM elasticc2_plannedspectra WHERE diaobject_id = %s AND lower(facility) = lower(%s)",
            (number, facility),
        ).rowcount
        if removed:
            require_member(connection, user, facility)
    return removed
