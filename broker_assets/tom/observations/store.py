"""Requests for observations in the database: made once, visible with the target, cancelled by their owner."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from broker_assets.access.accounts import User, groups_of
from broker_assets.tom.observations.facility import BadRequest, Facility
from broker_assets.tom.targets import store as targets
from broker_assets.tom.targets.readers import TARGET_READABLE, Reader

Connection = psycopg.Connection[Any]
OPEN: Final = ("waiting", "asking", "placed", "cancelling")
"""States of a request that is not finished."""
SAID: Final = {"completed": "completed", "expired": "not observed"}
"""States that people may set for a request by e-mail."""
_COLUMNS: Final = (
    "observationid, owner, targetid, facility, target, parameters, state, remote, remote_state, begins, ends, attempts,"
    " failure, created, placed, checked, finished"
)
# Requests of the reader, of targets that the reader may see, and of facilities that the reader is a member of.
_READABLE: Final = sql.SQL(
    "(%(all)s OR request.owner = %(viewer)s OR EXISTS (SELECT FROM access.targets AS target"  # noqa: S608
    " WHERE target.targetid = request.targetid AND " + TARGET_READABLE + ")"
    " OR EXISTS (SELECT FROM access.groups JOIN access.memberships AS member USING (groupid)"
    " WHERE member.userid = %(userid)s AND lower(groups.name) = lower(request.facility)))"
)


class UnknownObservation(LookupError):
    """There is no such request, or the account may not see it."""


class NotAllowed(PermissionError):
    """The account may not do this with the request, or not use this facility."""


@dataclass(frozen=True)
class Observation:
    """A request."""

    observationid: int
    owner: str
    targetid: int | None
    facility: str
    target: dict[str, Any]
    parameters: dict[str, Any]
    state: str
    remote: str
    remote_state: str
    begins: datetime.datetime | None
    ends: datetime.datetime | None
    attempts: int
    failure: str
    created: datetime.datetime
    placed: datetime.datetime | None
    checked: datetime.datetime | None
    finished: datetime.datetime | None

    @property
    def is_open(self) -> bool:
        """Whether it is not finished."""
        return self.state in OPEN


@dataclass(frozen=True)
class Product:
    """A file of an observation."""

    productid: int
    observationid: int
    name: str
    state: str
    path: str
    bytes: int | None
    sha256: str
    failure: str
    stored: datetime.datetime | None


def may_ask(connection: Connection, user: User, facility: Facility) -> bool:
    """Whether an account may use a facility: members of its groups and administrators may."""
    if user.administers:
        return True
    wanted = {name.lower() for name in facility.settings.groups}
    return any(name.lower() in wanted for name in groups_of(connection, user.userid))


def ask(
    connection: Connection, user: User, facility: Facility, targetid: int, given: Mapping[str, Any], key: str
) -> int:
    """Request an observation of a target that the account may see; repeating the key gives the same request.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it.
    user : User
        Account that makes the request.
    facility : Facility
        Whom.
    targetid : int
        What.
    given : mapping
        Values of the fields of the facility.
    key : str
        Key that the form or program created for this request.

    Returns
    -------
    int
        Number of the request.

    Raises
    ------
    BadRequest
        If the request is not valid, or the key was used for another one.
    NotAllowed
        If the account may not use this facility.
    UnknownTarget
        If it may not see the target.
    """
    if not 0 < len(key) <= 200 or "\0" in key:
        raise BadRequest("key: give a text of at most 200 characters that is of this request alone")
    with connection.transaction():
        if not may_ask(connection, user, facility):
            raise NotAllowed(f"{user.username} is in no group that may ask {facility.settings.name}")
        target = targets.held(connection, Reader.of(user), targetid)
        document = target.given | {"elements": target.elements}
        parameters = facility.check(document, given)
        row = connection.execute(
            "INSERT INTO access.observations (owner, key, targetid, facility, target, parameters)"
            " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (owner, key) DO NOTHING RETURNING observationid",
            (user.username, key, targetid, facility.settings.name, Jsonb(document), Jsonb(parameters)),
        ).fetchone()
        if row is not None:
            return int(row[0])
        earlier = connection.execute(
            "SELECT observationid, targetid, facility, parameters FROM access.observations"
            " WHERE owner = %s AND key = %s",
            (user.username, key),
        ).fetchone()
    if earlier is None or earlier[1:] != (targetid, facility.settings.name, parameters):
        raise BadRequest("key: it was used for another request; load the form again")
    return int(earlier[0])


def cancel(connection: Connection, user: User, number: int) -> str:
    """Cancel a request of the account; return its new state.

    A request that was not sent yet is cancelled at once; otherwise the facility is asked to cancel it.

    Raises
    ------
    UnknownObservation, NotAllowed
        If it is not the account's.
    """
    with connection.transaction():
        connection.execute("SELECT FROM access.observations WHERE observationid = %s FOR UPDATE", (number,))
        found = get(connection, Reader.of(user), number)
        if found.owner != user.username:
            raise NotAllowed(f"request {number} belongs to {found.owner}")
        if not found.is_open:
            return found.state
        state = "cancelled" if found.state == "waiting" else "cancelling"
        connection.execute(
            "UPDATE access.observations SET state = %(state)s, attempts = 0, failure = '',"
            " finished = CASE WHEN %(state)s = 'cancelled' THEN now() END,"
            " due = CASE WHEN %(state)s = 'cancelling' THEN now() END WHERE observationid = %(number)s",
            {"state": state, "number": number},
        )
    return state


def say(connection: Connection, user: User, facility: Facility, number: int, state: str, text: str = "") -> None:
    """Record what became of a request by e-mail; its owner and members of the facility may.

    Raises
    ------
    BadRequest
        If the state is not in `SAID`, or a program answers for the facility.
    UnknownObservation, NotAllowed
        If the account may not record it.
    """
    if state not in SAID or not facility.by_letter:
        raise BadRequest(f"state: say {' or '.join(SAID)}, of a request that was sent by letter")
    with connection.transaction():
        connection.execute("SELECT FROM access.observations WHERE observationid = %s FOR UPDATE", (number,))
        found = get(connection, Reader.of(user), number)
        members = {name.lower() for name in groups_of(connection, user.userid)}
        if found.owner != user.username and found.facility.lower() not in members and not user.administers:
            raise NotAllowed(f"{user.username} is not a member of {found.facility}")
        if found.state != "placed":
            raise BadRequest(f"state: request {number} is {found.state}")
        connection.execute(
            "UPDATE access.observations SET state = %s, remote_state = %s, finished = now(), checked = now(),"
            " due = NULL WHERE observationid = %s",
            (state, " ".join(text.split())[:500] or SAID[state], number),
        )


def get(connection: Connection, reader: Reader, number: int) -> Observation:
    """A request.

    Raises
    ------
    UnknownObservation
        If there is none, or the reader may not see it.
    """
    for found in search(connection, reader, number=number):
        return found
    raise UnknownObservation(f"there is no request {number}, or you may not see its target")


def search(
    connection: Connection,
    reader: Reader,
    *,
    number: int | None = None,
    targetid: int | None = None,
    only_open: bool = False,
    limit: int = 1000,
) -> list[Observation]:
    """Requests that a reader may see, the newest first: all, one, those of a target, or those that are open."""
    query = sql.SQL(
        "SELECT {columns} FROM access.observations AS request WHERE {readable}"
        " AND (%(number)s::bigint IS NULL OR observationid = %(number)s)"
        " AND (%(targetid)s::bigint IS NULL OR request.targetid = %(targetid)s)"
        " AND (NOT %(only_open)s OR state = ANY(%(open)s)) ORDER BY observationid DESC LIMIT %(limit)s"
    ).format(columns=sql.SQL(_COLUMNS), readable=_READABLE)
    values = {"number": number, "targetid": targetid, "only_open": only_open, "open": list(OPEN), "limit": limit}
    with connection.cursor(row_factory=class_row(Observation)) as cursor:
        return cursor.execute(query, values | reader.parameters).fetchall()


def products(connection: Connection, numbers: list[int]) -> list[Product]:
    """Files of some requests, by request and name."""
    with connection.cursor(row_factory=class_row(Product)) as cursor:
        return cursor.execute(
            "SELECT productid, observationid, name, state, path, bytes, sha256, failure, stored"
            " FROM access.observation_products WHERE observationid = ANY(%s) ORDER BY observationid, name, productid",
            (numbers,),
        ).fetchall()
