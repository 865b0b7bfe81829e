"""Calendar events: those that accounts enter for themselves or a facility, and scheduled observations."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any, Final, Literal

import psycopg
from psycopg.rows import class_row

from broker_assets.access.accounts import User, groups_of
from broker_assets.instants import with_zone
from broker_assets.tom.observations.store import search as observations_of
from broker_assets.tom.targets.readers import Reader

Connection = psycopg.Connection[Any]
LONGEST_NAME: Final = 200
LONGEST_TEXT: Final = 5000
LONGEST_DAYS: Final = 400
"""Longest duration of an event, days."""
_READABLE: Final = (
    "(%(all)s OR owner = %(viewer)s OR (facility <> '' AND EXISTS (SELECT FROM access.groups"
    " JOIN access.memberships AS member USING (groupid)"
    " WHERE member.userid = %(userid)s AND lower(groups.name) = lower(event.facility))))"
)


class BadEvent(ValueError):
    """An event is not valid; the message says which field is wrong and why."""


class UnknownEvent(LookupError):
    """There is no such event, or the account may not change it."""


@dataclass(frozen=True)
class Event:
    """An entry in a calendar."""

    kind: Literal["event", "observation"]
    number: int
    """Number of the event, or of the request for an observation."""
    owner: str
    name: str
    facility: str
    description: str
    begins: datetime.datetime
    ends: datetime.datetime
    modified: datetime.datetime


def enter(
    connection: Connection,
    user: User,
    name: str,
    begins: datetime.datetime,
    ends: datetime.datetime,
    *,
    facility: str = "",
    description: str = "",
    number: int | None = None,
) -> int:
    """Enter an event, or change one that the account has.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it.
    user : User
        Account that owns it.
    name, description : str
        Title and text.
    begins, ends : datetime.datetime
        Begin and end; UTC without a time zone.
    facility : str
        Facility whose group also sees the event, and of which the account must be a member; empty: only the account.
    number : int, optional
        Event that is changed.

    Returns
    -------
    int
        Number of the event.

    Raises
    ------
    BadEvent
        If a field is not valid.
    UnknownEvent
        If the account has no such event.
    """
    name, description, facility = " ".join(name.split()), description.strip(), " ".join(facility.split())
    begins, ends = with_zone(begins), with_zone(ends)
    if not 0 < len(name) <= LONGEST_NAME or len(description) > LONGEST_TEXT or "\0" in name + description:
        raise BadEvent(f"name: write from 1 to {LONGEST_NAME} characters, and a remark of at most {LONGEST_TEXT}")
    if not begins < ends <= begins + datetime.timedelta(days=LONGEST_DAYS):
        raise BadEvent(f"ends: it is not after the beginning, or more than {LONGEST_DAYS} days later")
    with connection.transaction():
        known = {one.lower() for one in groups_of(connection, user.userid)}
        if facility and facility.lower() not in known and not user.administers:
            raise BadEvent(f"facility: {user.username} is not in a group named {facility[:60]}")
        values = {
            "owner": user.username, "name": name, "facility": facility, "description": description, "begins": begins,
            "ends": ends, "number": number,
        }  # fmt: skip
        if number is None:
            query = (
                "INSERT INTO access.calendar_events (owner, name, facility, description, begins, ends) VALUES"
                " (%(owner)s, %(name)s, %(facility)s, %(description)s, %(begins)s, %(ends)s) RETURNING eventid"
            )
        else:
            query = (
                "UPDATE access.calendar_events SET name = %(name)s, facility = %(facility)s, modified = now(),"
                " description = %(description)s, begins = %(begins)s, ends = %(ends)s"
                " WHERE eventid = %(number)s AND owner = %(owner)s RETURNING eventid"
            )
        row = connection.execute(query, values).fetchone()
    if row is None:
        raise UnknownEvent(f"{user.username} has no event {number}")
    return int(row[0])


def remove(connection: Connection, user: User, number: int) -> None:
    """Remove an event of the account.

    Raises
    ------
    UnknownEvent
        If it has no such event.
    """
    if not connection.execute(
        "DELETE FROM access.calendar_events WHERE eventid = %s AND owner = %s", (number, user.username)
    ).rowcount:
        raise UnknownEvent(f"{user.username} has no event {number}")


def between(connection: Connection, reader: Reader, begins: datetime.datetime, ends: datetime.datetime) -> list[Event]:
    """Events and scheduled observations that a reader may see and that overlap an interval, by begin."""
    query = (
        "SELECT 'event' AS kind, eventid AS number, owner, name, facility, description, begins, ends, modified"  # noqa: S608
        " FROM access.calendar_events AS event WHERE begins < %(ends)s AND ends > %(begins)s AND " + _READABLE
    )
    with connection.cursor(row_factory=class_row(Event)) as cursor:
        found = cursor.execute(query, {"begins": begins, "ends": ends} | reader.parameters).fetchall()  # type: ignore[arg-type]
    for one in observations_of(connection, reader, limit=10_000):
        if one.begins is not None and one.ends is not None and one.begins < ends and one.ends > begins:
            found.append(
                Event(
                    "observation", one.observationid, one.owner, f"{one.target['name']} ({one.facility})", one.facility,
                    f"{one.state}; request {one.observationid}", one.begins, one.ends, one.checked or one.created,
                )
            )  # fmt: skip
    return sorted(found, key=lambda one: (one.begins, one.kind, one.number))
