"""Targets in the database: created, found, changed and removed."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.errors import UniqueViolation
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from broker_assets.access import visibility
from broker_assets.access.refusals import NameTaken, NotTheOwner
from broker_assets.database.turns import in_turn
from broker_assets.tom.targets.fields import ELEMENTS, POSITION, BadTarget, Draft, checked
from broker_assets.tom.targets.readers import TARGET_READABLE, Reader

Connection = psycopg.Connection[Any]
_COLUMNS: Final = (
    "targetid, owner, name, type, public, diaobjectid, ra, dec, epoch, pm_ra, pm_dec, parallax, distance, distance_err,"
    " scheme, elements, aliases, tags, extras, created, modified"
)
_STORED: Final = (
    "owner", "name", "type", "public", "diaobjectid", *POSITION, "scheme", "elements", "aliases", "tags", "extras",
)  # fmt: skip


class UnknownTarget(LookupError):
    """There is no such target, or the account may not see it."""


@dataclass(frozen=True)
class Target:
    """A stored target; see `fields` for units."""

    targetid: int
    owner: str
    name: str
    type: str
    public: bool
    diaobjectid: int | None
    ra: float | None
    dec: float | None
    epoch: float | None
    pm_ra: float | None
    pm_dec: float | None
    parallax: float | None
    distance: float | None
    distance_err: float | None
    scheme: str
    elements: dict[str, float]
    aliases: list[str]
    tags: list[str]
    extras: dict[str, str]
    created: datetime.datetime
    modified: datetime.datetime

    @property
    def given(self) -> dict[str, Any]:
        """Its fields in the form of `fields.checked`."""
        found: dict[str, Any] = {name: getattr(self, name) for name in POSITION}
        found |= {name: self.elements.get(name) for name in ELEMENTS}
        for name in ("name", "type", "scheme", "aliases", "tags", "extras", "diaobjectid", "public"):
            found[name] = getattr(self, name)
        return found


@dataclass(frozen=True)
class Choice:
    """Which targets are listed; omitted fields do not restrict it."""

    text: str = ""
    """Part of the name or of an alias, ignoring case."""
    tag: str = ""
    type: str = ""
    owner: str = ""
    listid: int | None = None
    diaobjectid: int | None = None
    near: tuple[float, float, float] | None = None
    """Right ascension, declination (ICRS) and radius, degrees."""
    numbers: Sequence[int] = field(default_factory=tuple)


def make(connection: Connection, owner: str, draft: Draft) -> int:
    """Store a target.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it.
    owner : str
        Name of the account.
    draft : Draft
        The target.

    Returns
    -------
    int
        Its number.

    Raises
    ------
    NameTaken
        If the owner has a target with this name, ignoring case.
    """
    values = _values(owner, draft)
    query = sql.SQL("INSERT INTO access.targets ({}) VALUES ({}) RETURNING targetid").format(
        sql.SQL(", ").join(map(sql.Identifier, values)), sql.SQL(", ").join(map(sql.Placeholder, values))
    )
    try:
        with connection.transaction():
            row = connection.execute(query, values).fetchone()
    except UniqueViolation:
        raise NameTaken(f"name: {owner} has a target named {draft.name!r}") from None
    if row is None:
        raise LookupError("INSERT … RETURNING gave no row")
    return int(row[0])


def of_object(connection: Connection, owner: str, diaobjectid: int, *, name: str = "", public: bool = False) -> int:
    """The owner's target for an object of the broker; created if there is none, once even for concurrent requests.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it; its role must be able to read `objects`.
    owner : str
        Name of the account.
    diaobjectid : int
        Object.
    name : str
        Name of a new target; default: the TNS name, else the number of the object.
    public : bool
        Whether everybody may see a new target.

    Returns
    -------
    int
        Number of the target.

    Raises
    ------
    UnknownTarget
        If the broker has no such object, or none with a position.
    NameTaken
        If another target of the owner has this name.
    """
    with connection.transaction():
        # Of two concurrent requests the second waits here, and finds the target of the first.
        in_turn(connection, f"target of object {owner} {diaobjectid}")
        row = connection.execute(
            "SELECT targetid FROM access.targets WHERE owner = %s AND diaobjectid = %s ORDER BY targetid LIMIT 1",
            (owner, diaobjectid),
        ).fetchone()
        if row is not None:
            return int(row[0])
        found = connection.execute(
            "SELECT ra, decl, tns_name FROM objects WHERE diaobjectid = %s AND ra IS NOT NULL", (diaobjectid,)
        ).fetchone()
        if found is None:
            raise UnknownTarget(f"the broker has no object {diaobjectid} with a position")
        number = str(diaobjectid)
        chosen = name.strip() or found[2] or number
        given = {"name": chosen, "ra": found[0], "dec": found[1], "aliases": [found[2], number], "public": public}
        return make(connection, owner, checked(given | {"diaobjectid": diaobjectid}))


def of_root(connection: Connection, owner: str, root: UUID, *, name: str = "", public: bool = False) -> int:
    """The owner's target for a root object, whose identifier is an alias; created if there is none.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it; its role must be able to read `root_diaobject`.
    owner : str
        Name of the account.
    root : UUID
        Root object.
    name : str
        Name of a new target; by default the identifier of the root object.
    public : bool
        Whether everybody may see a new target.

    Returns
    -------
    int
        Number of the target.

    Raises
    ------
    UnknownTarget
        If there is no such root object, or none with a position.
    NameTaken
        If another target of the owner has this name.
    """
    number = str(root)
    with connection.transaction():
        in_turn(connection, f"target of root object {owner} {number}")
        row = connection.execute(
            "SELECT targetid FROM access.targets WHERE owner = %(owner)s"
            " AND (name = %(root)s OR %(root)s = ANY(aliases)) ORDER BY targetid LIMIT 1",
            {"owner": owner, "root": number},
        ).fetchone()
        if row is not None:
            return int(row[0])
        found = connection.execute(
            "SELECT ra, dec FROM root_diaobject WHERE id = %s AND ra IS NOT NULL AND dec IS NOT NULL", (root,)
        ).fetchone()
        if found is None:
            raise UnknownTarget(f"there is no root object {number} with a position")
        given = {"name": name.strip() or number, "ra": found[0], "dec": found[1], "aliases": [number], "public": public}
        return make(connection, owner, checked(given))


def change(connection: Connection, user: Reader, number: int, changes: Mapping[str, Any]) -> Target:
    """Change fields of a target; fields that are not named stay as they are.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it.
    user : Reader
        The owner.
    number : int
        Target.
    changes : mapping
        Fields in the form of `fields.checked`; None or an empty text removes a value.

    Returns
    -------
    Target The changed target.

    Raises
    ------
    UnknownTarget, NotTheOwner, BadTarget, NameTaken
        If it cannot be changed; nothing is changed then.
    """
    with connection.transaction():
        connection.execute("SELECT FROM access.targets WHERE targetid = %s FOR UPDATE", (number,))
        before = own(connection, user, number)
        unknown = sorted(set(changes) - set(before.given))
        if unknown:
            raise BadTarget(f"{unknown[0]}: targets have no such field")
        draft = checked(before.given | dict(changes))
        values = _values(before.owner, draft) | {"targetid": number}
        columns = [name for name in values if name not in ("targetid", "owner")]
        query = sql.SQL("UPDATE access.targets SET {}, modified = now() WHERE targetid = %(targetid)s").format(
            sql.SQL(", ").join(sql.SQL("{} = {}").format(sql.Identifier(n), sql.Placeholder(n)) for n in columns)
        )
        try:
            with connection.transaction():
                connection.execute(query, values)
        except UniqueViolation:
            raise NameTaken(f"name: {before.owner} has a target named {draft.name!r}") from None
        return get(connection, user, number)


def remove(connection: Connection, user: Reader, number: int) -> Target:
    """Remove a target with its comments; return it.

    Raises
    ------
    UnknownTarget, NotTheOwner
        If it does not belong to the account.
    """
    with connection.transaction():
        found = own(connection, user, number)
        visibility.forget(connection, "target", number)
        connection.execute("DELETE FROM access.targets WHERE targetid = %s", (number,))
    return found


def get(connection: Connection, reader: Reader, number: int) -> Target:
    """A target.

    Raises
    ------
    UnknownTarget
        If there is none, or the reader may not see it.
    """
    found = search(connection, reader, Choice(numbers=[number]))
    if not found:
        raise UnknownTarget(f"there is no target {number}, or it is neither public nor yours")
    return found[0]


def held(connection: Connection, reader: Reader, number: int) -> Target:
    """A target that cannot be removed before the transaction ends, so that rows that refer to it can be stored.

    Raises
    ------
    UnknownTarget
        If there is none, or the reader may not see it.
    """
    connection.execute("SELECT FROM access.targets WHERE targetid = %s FOR KEY SHARE", (number,))
    return get(connection, reader, number)


def own(connection: Connection, user: Reader, number: int) -> Target:
    """A target that an account may change.

    Raises
    ------
    UnknownTarget, NotTheOwner
        If it does not belong to the account; administrators can change only their own targets, the command line all.
    """
    found = get(connection, user, number)
    if found.owner != user.name and not (user.everything and not user.name):
        raise NotTheOwner(f"target {number} belongs to {found.owner}")
    return found


def search(
    connection: Connection, reader: Reader, choice: Choice, *, limit: int = 1000, after: int = 0
) -> list[Target]:
    """List targets that a reader may see, by number, which is the order of creation.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    reader : Reader
        The reader.
    choice : Choice
        Conditions.
    limit, after : int
        Most targets, and the number after which they begin.
    """
    parts = {
        "(strpos(lower(name), lower(%(text)s)) > 0 OR EXISTS (SELECT FROM unnest(aliases) AS alias"
        " WHERE strpos(lower(alias), lower(%(text)s)) > 0))": choice.text,
        "EXISTS (SELECT FROM unnest(tags) AS tag WHERE lower(tag) = lower(%(tag)s))": choice.tag,
        "type = %(type)s": choice.type,
        "owner = %(owner)s": choice.owner,
        # A list that the reader may not see reveals nothing, not even its members.
        "EXISTS (SELECT FROM access.target_members AS inside JOIN access.target_lists AS list USING (listid)"
        " WHERE inside.targetid = target.targetid AND list.listid = %(listid)s AND {list})": choice.listid is not None,
        "diaobjectid = %(diaobjectid)s": choice.diaobjectid is not None,
        "targetid = ANY(%(numbers)s::bigint[])": bool(choice.numbers),
        "ra IS NOT NULL AND 2 * asind(least(1, sqrt(sind((dec - %(dec)s) / 2) ^ 2 + cosd(dec) * cosd(%(dec)s)"
        " * sind((ra - %(ra)s) / 2) ^ 2))) <= %(radius)s": choice.near is not None,
    }
    from broker_assets.tom.targets.readers import LIST_READABLE

    clauses = [sql.SQL(part.replace("{list}", LIST_READABLE)) for part, applies in parts.items() if applies]  # type: ignore[arg-type]
    query = sql.SQL(
        "SELECT {columns} FROM access.targets AS target WHERE targetid > %(after)s AND {readable} AND {conditions}"
        " ORDER BY targetid LIMIT %(limit)s"
    ).format(
        columns=sql.SQL(_COLUMNS),
        readable=sql.SQL(TARGET_READABLE),
        conditions=sql.SQL(" AND ").join(clauses or [sql.SQL("true")]),
    )
    ra, dec, radius = choice.near or (None, None, None)
    values = {name: getattr(choice, name) for name in ("text", "tag", "type", "owner", "listid", "diaobjectid")}
    values |= {"numbers": list(choice.numbers), "ra": ra, "dec": dec, "radius": radius, "after": after, "limit": limit}
    with connection.cursor(row_factory=class_row(Target)) as cursor:
        return cursor.execute(query, values | reader.parameters).fetchall()


def tags_of(connection: Connection, reader: Reader) -> list[tuple[str, int]]:
    """Tags of the targets that a reader may see, with the number of targets that have each, by name."""
    query = sql.SQL(
        "SELECT min(tag), count(*) FROM access.targets AS target CROSS JOIN unnest(tags) AS tag WHERE {}"
        " GROUP BY lower(tag) ORDER BY lower(tag)"
    ).format(sql.SQL(TARGET_READABLE))
    return [(str(tag), int(count)) for tag, count in connection.execute(query, reader.parameters).fetchall()]


def _values(owner: str, draft: Draft) -> dict[str, Any]:
    found: dict[str, Any] = {"owner": owner} | {name: draft.position.get(name) for name in POSITION}
    found |= {name: getattr(draft, name) for name in ("name", "type", "public", "diaobjectid", "scheme")}
    found |= {"elements": Jsonb(dict(draft.elements)), "extras": Jsonb(dict(draft.extras))}
    found |= {"aliases": list(draft.aliases), "tags": list(draft.tags)}
    return {name: found[name] for name in _STORED}
