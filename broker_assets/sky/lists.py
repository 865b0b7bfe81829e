"""Watchlists and areas in the database: made, changed and deleted, each change whole or not at all.

Every change locks the row of its list, so that changes of one list come one after the other, and counts its
`revision`, by which the indices see what is new. A cone never changes: another position is another cone.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import psycopg
import pyarrow as pa
from mocpy import MOC
from psycopg import sql

from broker_assets.database import copy
from broker_assets.database.tables.sky import watchlist_cones
from broker_assets.sky.areas import moc_bytes, moc_version
from broker_assets.sky.watchlists import LARGEST_RADIUS, Cones

Kind = Literal["watchlist", "area"]
Connection = psycopg.Connection[Any]

_TABLE = {"watchlist": ("watchlists", "wl_id"), "area": ("areas", "ar_id")}
SQUARE_DEGREES = 360.0**2 / np.pi
"""Of the whole sky."""


class UnknownList(LookupError):
    """No list has this id, or the caller may not know of it."""


class NotTheOwner(PermissionError):
    """Only the owner may change a list."""


class NameTaken(ValueError):
    """The owner has a list of this name already."""


@dataclass(frozen=True)
class ListSettings:
    """What can be changed of a list besides its content; none leaves it."""

    name: str | None = None
    """New name."""
    description: str | None = None
    """New description."""
    active: bool | None = None
    """Whether it is matched."""
    public: bool | None = None
    """Whether others may see it."""
    expire: datetime.datetime | None = None
    """When it stops being matched."""
    radius: float | None = None
    """Default radius of a watchlist, arcsec."""


def create_watchlist(
    connection: Connection,
    owner: str,
    name: str,
    cones: Cones,
    *,
    radius: float,
    description: str = "",
    active: bool = True,
    public: bool = False,
    expire: datetime.datetime | None = None,
) -> int:
    """Make a watchlist with its cones.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it.
    owner, name : str
        Account, and a name that is new to it whatever the case.
    cones : Cones
        See `parse_watchlist`.
    radius : float
        Radius of cones that give none, arcsec, at most 360.
    description, active, public, expire
        As the columns of `watchlists` say.

    Returns
    -------
    int
        `wl_id`.

    Raises
    ------
    ValueError
        If the name is empty or the radius cannot be.
    NameTaken
        If the owner has a list of this name.
    """
    _check_radius(radius)
    values = {"radius": radius}
    with connection.transaction():
        watchlist = _insert(connection, "watchlist", owner, name, description, active, public, expire, values)
        _copy_cones(connection, watchlist, cones)
    return watchlist


def add_cones(connection: Connection, owner: str, watchlist: int, cones: Cones) -> None:
    """Add cones to a watchlist; see `create_watchlist`."""
    with connection.transaction():
        _lock(connection, "watchlist", watchlist, owner)
        _copy_cones(connection, watchlist, cones)
        _bump(connection, "watchlist", watchlist)


def delete_cones(connection: Connection, owner: str, watchlist: int, cone_ids: Sequence[int]) -> int:
    """Delete cones of a watchlist and their hits; ids of other lists are left alone. How many went."""
    with connection.transaction():
        _lock(connection, "watchlist", watchlist, owner)
        return remove_cones(connection, watchlist, list(cone_ids), _bump(connection, "watchlist", watchlist))


def replace_cones(connection: Connection, owner: str, watchlist: int, cones: Cones) -> tuple[int, int]:
    """Make these the cones of a watchlist; those that stay as they are keep their ids and hits.

    Returns
    -------
    removed, added : int
        How many cones went and came.
    """
    with connection.transaction():
        _lock(connection, "watchlist", watchlist, owner)
        _stage(connection, watchlist, cones)
        gone = connection.execute(
            "SELECT cone_id FROM watchlist_cones AS old WHERE wl_id = %s AND NOT EXISTS (SELECT FROM cone_new AS new"
            " WHERE (new.ra, new.decl) = (old.ra, old.decl) AND new.name IS NOT DISTINCT FROM old.name"
            " AND new.radius IS NOT DISTINCT FROM old.radius)",
            (watchlist,),
        ).fetchall()
        revision = _bump(connection, "watchlist", watchlist)
        removed = remove_cones(connection, watchlist, [row[0] for row in gone], revision)
        added = connection.execute(
            "INSERT INTO watchlist_cones (wl_id, name, ra, decl, radius) SELECT DISTINCT wl_id, name, ra, decl, radius"
            " FROM cone_new AS new WHERE NOT EXISTS (SELECT FROM watchlist_cones AS old WHERE old.wl_id = new.wl_id"
            " AND (new.ra, new.decl) = (old.ra, old.decl) AND new.name IS NOT DISTINCT FROM old.name"
            " AND new.radius IS NOT DISTINCT FROM old.radius)"
        ).rowcount
        return removed, added


def create_area(
    connection: Connection,
    owner: str,
    name: str,
    moc: MOC,
    *,
    description: str = "",
    active: bool = True,
    public: bool = False,
    expire: datetime.datetime | None = None,
) -> int:
    """Make an area of a MOC (see `read_moc`, `region_area`); its `ar_id`. Raises as `create_watchlist` does."""
    with connection.transaction():
        return _insert(connection, "area", owner, name, description, active, public, expire, _area_values(moc))


def replace_area(connection: Connection, owner: str, area: int, moc: MOC) -> None:
    """Make this the MOC of an area; the same cells change nothing."""
    values = _area_values(moc)
    with connection.transaction():
        _lock(connection, "area", area, owner)
        changed = connection.execute(
            "UPDATE areas SET moc = %(moc)s, moc_version = %(moc_version)s, square_degrees = %(square_degrees)s"
            " WHERE ar_id = %(area)s AND moc_version <> %(moc_version)s",
            {**values, "area": area},
        ).rowcount
        if changed:
            _bump(connection, "area", area)


def change_list(connection: Connection, owner: str, kind: Kind, identifier: int, settings: ListSettings) -> None:
    """Change what a list is called, who sees it, whether it is matched, and until when.

    Raises
    ------
    UnknownList, NotTheOwner, NameTaken, ValueError
        As their names say.
    """
    table, key = _TABLE[kind]
    columns: dict[str, Any] = {
        "name": settings.name, "description": settings.description, "active": settings.active,
        "public": settings.public, "date_expire": settings.expire,
    }  # fmt: skip
    if settings.name is not None:
        _check_name(settings.name)
    if settings.radius is not None:
        if kind != "watchlist":
            raise ValueError("an area has no radius")
        _check_radius(settings.radius)
        columns["radius"] = settings.radius
    changes = {column: value for column, value in columns.items() if value is not None}
    if not changes:
        return
    with connection.transaction():
        _lock(connection, kind, identifier, owner)
        assignments = sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(column), sql.Placeholder(column)) for column in changes
        )
        try:
            connection.execute(
                sql.SQL("UPDATE {} SET {} WHERE {} = %(identifier)s").format(
                    sql.Identifier(table), assignments, sql.Identifier(key)
                ),
                {**changes, "identifier": identifier},
            )
        except psycopg.errors.UniqueViolation as error:
            raise NameTaken(f"{owner} has a {kind} named {settings.name!r} already") from error
        revision = _bump(connection, kind, identifier)
        if settings.radius is not None:
            connection.execute("UPDATE watchlists SET whole_revision = %s WHERE wl_id = %s", (revision, identifier))


def delete_list(connection: Connection, owner: str, kind: Kind, identifier: int) -> None:
    """Delete a list and its hits."""
    table, key = _TABLE[kind]
    with connection.transaction():
        _lock(connection, kind, identifier, owner)
        for name in (f"{kind}_hits", table):
            connection.execute(
                sql.SQL("DELETE FROM {} WHERE {} = %s").format(sql.Identifier(name), sql.Identifier(key)),
                (identifier,),
            )
        connection.execute("DELETE FROM rematch WHERE kind = %s AND list_id = %s", (kind, identifier))


def expire_lists(connection: Connection) -> dict[Kind, list[int]]:
    """Set lists inactive whose time is over; which ones.

    Matching looks at `date_expire` itself, so a list stops in time even where this runs late.
    """
    expired: dict[Kind, list[int]] = {}
    with connection.transaction():
        for kind, (table, key) in _TABLE.items():
            rows = connection.execute(
                sql.SQL(
                    "UPDATE {} SET active = false, revision = revision + 1 WHERE active AND date_expire <= now()"
                    " RETURNING {}"
                ).format(sql.Identifier(table), sql.Identifier(key))
            ).fetchall()
            expired["watchlist" if kind == "watchlist" else "area"] = [row[0] for row in rows]
    return expired


def _insert(
    connection: Connection,
    kind: Kind,
    owner: str,
    name: str,
    description: str,
    active: bool,
    public: bool,
    expire: datetime.datetime | None,
    values: dict[str, Any],
) -> int:
    _check_name(name)
    table, key = _TABLE[kind]
    columns = {
        "owner": owner, "name": name.strip(), "description": description, "active": active, "public": public,
        "date_expire": expire, **values,
    }  # fmt: skip
    try:
        row = connection.execute(
            sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING {}").format(
                sql.Identifier(table),
                sql.SQL(", ").join(map(sql.Identifier, columns)),
                sql.SQL(", ").join(map(sql.Placeholder, columns)),
                sql.Identifier(key),
            ),
            columns,
        ).fetchone()
    except psycopg.errors.UniqueViolation as error:
        raise NameTaken(f"{owner} has a {kind} named {name!r} already") from error
    if row is None:  # an INSERT without a conflict clause returns its row
        raise LookupError(f"the {kind} was not made")
    return int(row[0])


def _check_name(name: str) -> None:
    if not name.strip() or len(name) > 256:
        raise ValueError("a list needs a name of 1 to 256 characters")


def _check_radius(radius: float) -> None:
    if not 0.0 < radius <= LARGEST_RADIUS:
        raise ValueError(f"radius {radius} is not above 0 and at most {LARGEST_RADIUS:g} arcsec")


def _area_values(moc: MOC) -> dict[str, Any]:
    return {
        "moc": moc_bytes(moc),
        "moc_version": moc_version(moc),
        "square_degrees": float(moc.sky_fraction * SQUARE_DEGREES),
    }


def _lock(connection: Connection, kind: Kind, identifier: int, owner: str) -> None:
    table, key = _TABLE[kind]
    row = connection.execute(
        sql.SQL("SELECT owner, public FROM {} WHERE {} = %s FOR UPDATE").format(
            sql.Identifier(table), sql.Identifier(key)
        ),
        (identifier,),
    ).fetchone()
    if row is None or (row[0] != owner and not row[1]):
        raise UnknownList(f"there is no {kind} {identifier}")
    if row[0] != owner:
        raise NotTheOwner(f"{kind} {identifier} belongs to {row[0]}; only its owner may change it")


def _bump(connection: Connection, kind: Kind, identifier: int) -> int:
    table, key = _TABLE[kind]
    row = connection.execute(
        sql.SQL("UPDATE {} SET revision = revision + 1, date_modified = now() WHERE {} = %s RETURNING revision").format(
            sql.Identifier(table), sql.Identifier(key)
        ),
        (identifier,),
    ).fetchone()
    return int(row[0]) if row else 0


def _rows(watchlist: int, cones: Cones) -> pa.Table:
    return pa.table(
        {
            "wl_id": pa.array(np.full(len(cones), watchlist, np.int64)),
            "name": cones.name,
            "ra": cones.ra,
            "decl": cones.dec,
            "radius": pa.array(cones.radius, mask=np.isnan(cones.radius)),
        }
    )


def _copy_cones(connection: Connection, watchlist: int, cones: Cones) -> None:
    with connection.cursor() as cursor:
        copy.load(cursor, watchlist_cones, _rows(watchlist, cones))


def _stage(connection: Connection, watchlist: int, cones: Cones) -> None:
    connection.execute("DROP TABLE IF EXISTS pg_temp.cone_new")
    connection.execute(
        "CREATE TEMP TABLE cone_new ON COMMIT DROP AS SELECT wl_id, name, ra, decl, radius FROM watchlist_cones"
        " WITH NO DATA"
    )
    with connection.cursor() as cursor:
        copy.load(cursor, watchlist_cones, _rows(watchlist, cones), into="cone_new")
    connection.execute("CREATE INDEX ON cone_new (ra, decl)")
    connection.execute("ANALYZE cone_new")


def remove_cones(connection: Connection, watchlist: int, cone_ids: list[int], revision: int) -> int:
    """Delete cones, their hits, and note for the index that they went."""
    return connection.execute(
        "WITH gone AS (DELETE FROM watchlist_cones WHERE wl_id = %s AND cone_id = ANY(%s) RETURNING wl_id, cone_id),"
        " hits AS (DELETE FROM watchlist_hits USING gone WHERE watchlist_hits.cone_id = gone.cone_id)"
        " INSERT INTO watchlist_cone_gone (wl_id, cone_id, revision) SELECT wl_id, cone_id, %s FROM gone",
        (watchlist, cone_ids, revision),
    ).rowcount
