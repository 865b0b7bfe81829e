"""Plans of facilities to take spectra of root objects or their hosts."""

from __future__ import annotations

import datetime
import uuid
from typing import Any

import psycopg

from broker_assets.access.accounts import User
from broker_assets.tom.root_spectra.known_roots import require_roots
from broker_assets.tom.spectra.facilities import require_member, spelled

Connection = psycopg.Connection[Any]
# Concurrent plans of one facility for the same thing wait for each other, so that one is left at the end.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%s || ' ' || lower(%s), 0))"
_THING = "root_diaobject_id = %s AND lower(facility) = lower(%s)"


def plan_root_spectrum(
    connection: Connection,
    user: User,
    root: uuid.UUID,
    facility: str,
    when: datetime.datetime,
    *,
    comment: str | None = None,
    is_host: bool = False,
) -> None:
    """Plan a spectrum; a plan of the same facility for the same thing is replaced.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it.
    user : User
        Account that plans, and speaks for the facility.
    root : UUID
        Root object.
    facility : str
        Facility.
    when : datetime.datetime
        When it will be taken, with its time zone.
    comment : str, optional
        Remark.
    is_host : bool
        Whether the spectrum is of the host galaxy.

    Raises
    ------
    UnknownRootError
        If the root object is not known.
    NotOfFacilityError
        If the account does not speak for the facility.
    """
    facility = spelled(facility)
    with connection.transaction():
        connection.execute(_LOCK, (str(root), facility))
        require_roots(connection, [root])
        facility = require_member(connection, user, facility, register=True)
        connection.execute(
            f"DELETE FROM plannedspectra WHERE {_THING} AND coalesce(is_host, false) = %s",  # noqa: S608
            (root, facility, is_host),
        )
        connection.execute(
            "INSERT INTO plannedspectra (root_diaobject_id, facility, plantime, comment, is_host)"
            " VALUES (%s, %s, %s, %s, %s)",
            (root, facility, when, comment, is_host),
        )


def remove_root_plans(connection: Connection, user: User, root: uuid.UUID, facility: str) -> int:
    """Remove the plans of a facility for a root object and its host.

    Returns
    -------
    int
        Plans that were removed.

    Raises
    ------
    NotOfFacilityError
        If there is a plan, and the account does not speak for the facility.
    """
    facility = spelled(facility)
    with connection.transaction():
        connection.execute(_LOCK, (str(root), facility))
        removed = connection.execute(
            f"DELETE FROM plannedspectra WHERE {_THING}",  # noqa: S608
            (root, facility),
        ).rowcount
        if removed:
            require_member(connection, user, facility, register=True)
    return removed
