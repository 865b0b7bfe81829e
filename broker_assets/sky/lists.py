"""Watchlists and areas in the database: created, changed and deleted, each change as a whole or not at all.

Every change locks the row of its list and takes a number (`broker_assets.provenance.revisions`), which becomes the
`revision` of the list. What was matched stays known: a cone never changes, but is moved to `watchlist_cone_gone` and
replaced by another, and the time during which a list is matched is a period with a first and a last number
(`watchlist_periods`, `area_periods`). So any past night can be matched with the lists of its time.
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

from broker_assets.access import visibility
from broker_assets.access.refusals import BadSetting, NameTaken, NotTheOwner
from broker_assets.database import copy
from broker_assets.database.tables.sky import watchlist_cones
from broker_assets.provenance.revisions import next_revision
from broker_assets.sky.areas import moc_bytes, moc_version
from broker_assets.sky.hits import name_objects
from broker_assets.sky.watchlists import LARGEST_RADIUS, Cones

Kind = Literal["watchlist", "area"]
Connection = psycopg.Connection[Any]

_TABLE = {"watchlist": ("watchlists", "wl_id"), "area": ("areas", "ar_id")}
MATCHED = {
    "watchlist": "EXISTS (SELECT FROM watchlist_periods AS period WHERE period.wl_id = watchlists.wl_id"
    " AND period.revision_to IS NULL)",
    "area": "EXISTS (SELECT FROM area_periods AS period WHERE period.ar_id = areas.ar_id"
    " AND period.revision_to IS NULL)",
}
"""SQL condition, on the table of the lists, for a list that is matched now."""

_PERIOD = {"watchlist": "radius", "area": "moc_version, moc"}
"""Columns whose values hold for a period; if the first one changes, another period begins."""
_A = {"watchlist": "a watchlist", "area": "an area"}
SQUARE_DEGREES = 360.0**2 / np.pi
"""Area of the whole sky, deg²."""


class UnknownList(LookupError):
    """No list has this id, or the caller may not know of it."""


@dataclass(frozen=True)
class ListSettings:
    """Properties of a list that can be changed, apart from its content; None leaves a property as it is."""

    name: str | None = None
    """New name."""
    description: str | None = None
    """New description."""
    active: bool | None = None
    """Whether it is matched."""
    public: bool | None = None
    """Whether others may see it."""
    expire: datetime.datetime | Literal["never"] | None = None
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
        Account, and a name that none of its lists has, regardless of case.
    cones : Cones
        See `parse_watchlist`.
    radius : float
        Radius of cones that give none, arcsec, at most 360.
    description, active, public, expire
        See the columns of `watchlists`.

    Returns
    -------
    int
        `wl_id`.

    Raises
    ------
    BadSetting
        If the name is empty or the radius is not possible.
    NameTaken
        If the owner has a list of this name.
    """
    _check_radius(radius)
    values = {"radius": radius}
    with connection.transaction():
        watchlist, revision = _insert(connection, "watchlist", owner, name, description, active, public, expire, values)
        _copy_cones(connection, watchlist, cones, revision)
    return watchlist


def add_cones(connection: Connection, owner: str, watchlist: int, cones: Cones) -> None:
    """Add cones to a watchlist; see `create_watchlist`."""
    with connection.transaction():
        _lock(connection, "watchlist", watchlist, owner)
        _copy_cones(connection, watchlist, cones, change(connection, "watchlist", watchlist))


def delete_cones(connection: Connection, owner: str, watchlist: int, cone_ids: Sequence[int]) -> int:
    """Delete cones of a watchlist and their hits, ignoring ids of other lists; return how many were deleted."""
    with connection.transaction():
        _lock(connection, "watchlist", watchlist, owner)
        return remove_cones(connection, watchlist, list(cone_ids), change(connection, "watchlist", watchlist))


def replace_cones(connection: Connection, owner: str, watchlist: int, cones: Cones) -> tuple[int, int]:
    """Make these the cones of a watchlist; those that stay as they are keep their ids and hits.

    Returns
    -------
    removed, added : int
        How many cones were removed and added.
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
        revision = change(connection, "watchlist", watchlist)
        removed = remove_cones(connection, watchlist, [row[0] for row in gone], revision)
        added = connection.execute(
            "INSERT INTO watchlist_cones (wl_id, name, ra, decl, radius, revision_from)"
            " SELECT DISTINCT wl_id, name, ra, decl, radius, %s::bigint"
            " FROM cone_new AS new WHERE NOT EXISTS (SELECT FROM watchlist_cones AS old WHERE old.wl_id = new.wl_id"
            " AND (new.ra, new.decl) = (old.ra, old.decl) AND new.name IS NOT DISTINCT FROM old.name"
            " AND new.radius IS NOT DISTINCT FROM old.radius)",
            (revision,),
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
    """Create an area from a MOC (see `read_moc`, `region_area`); return `ar_id`. Raises as `create_watchlist` does."""
    with connection.transaction():
        area, _ = _insert(connection, "area", owner, name, description, active, public, expire, _area_values(moc))
    return area


def replace_area(connection: Connection, owner: str, area: int, moc: MOC) -> None:
    """Replace the MOC of an area; equal cells change nothing."""
    values = _area_values(moc)
    with connection.transaction():
        _lock(connection, "area", area, owner)
        changed = connection.execute(
            "UPDATE areas SET moc = %(moc)s, moc_version = %(moc_version)s, square_degrees = %(square_degrees)s"
            " WHERE ar_id = %(area)s AND moc_version <> %(moc_version)s",
            {**values, "area": area},
        ).rowcount
        if changed:
            change(connection, "area", area)


def change_list(connection: Connection, owner: str, kind: Kind, identifier: int, settings: ListSettings) -> None:
    """Change what a list is called, who sees it, whether it is matched, and until when.

    Raises
    ------
    UnknownList, NotTheOwner, NameTaken, BadSetting
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
            raise BadSetting("an area has no radius")
        _check_radius(settings.radius)
        columns["radius"] = settings.radius
    changes = {column: value for column, value in columns.items() if value is not None}
    if settings.expire == "never":
        changes["date_expire"] = None
    with connection.transaction():
        # Even if nothing is changed: only the owner may learn that the list exists.
        _lock(connection, kind, identifier, owner)
        if not changes:
            return
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
            raise NameTaken(f"{owner} already has {_A[kind]} named {settings.name!r}") from error
        change(connection, kind, identifier)


def delete_list(connection: Connection, owner: str, kind: Kind, identifier: int) -> None:
    """Delete a list and its hits; what it was while it was matched stays known by its number."""
    table, key = _TABLE[kind]
    with connection.transaction():
        visibility.forget(connection, kind, identifier)
        _lock(connection, kind, identifier, owner)
        revision = next_revision(connection)
        _close_period(connection, kind, identifier, revision)
        if kind == "watchlist":
            _bury_cones(connection, identifier, None, revision)
        drop_hits(connection, f"{kind}_hits", key, [identifier])
        connection.execute(
            sql.SQL("DELETE FROM {} WHERE {} = %s").format(sql.Identifier(table), sql.Identifier(key)), (identifier,)
        )


def expire_lists(connection: Connection) -> dict[Kind, list[int]]:
    """Deactivate lists that have expired; return which ones.

    They are matched until this runs: an expiry is a change like any other, and does not depend on the clocks of
    batches.
    """
    expired: dict[Kind, list[int]] = {"watchlist": [], "area": []}
    with connection.transaction():
        for kind in expired:
            table, key = _TABLE[kind]
            rows = connection.execute(
                sql.SQL(
                    "UPDATE {table} SET active = false FROM (SELECT {key} FROM {table} WHERE active"
                    " AND date_expire <= now() ORDER BY {key} FOR UPDATE) AS over WHERE over.{key} = {table}.{key}"
                    " RETURNING {table}.{key}"
                ).format(table=sql.Identifier(table), key=sql.Identifier(key))
            ).fetchall()
            expired[kind] = sorted(row[0] for row in rows)
            for identifier in expired[kind]:
                change(connection, kind, identifier)
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
) -> tuple[int, int]:
    """Insert the row of a list and begin its period; return its id and the number of the change."""
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
        raise NameTaken(f"{owner} already has {_A[kind]} named {name!r}") from error
    if row is None:  # an INSERT without a conflict clause returns its row
        raise LookupError(f"the {kind} was not created")
    return int(row[0]), change(connection, kind, int(row[0]))


def _check_name(name: str) -> None:
    if not name.strip() or len(name) > 256:
        raise BadSetting("a list needs a name of 1 to 256 characters")


def _check_radius(radius: float) -> None:
    if not 0.0 < radius <= LARGEST_RADIUS:
        raise BadSetting(f"radius {radius} is not above 0 and at most {LARGEST_RADIUS:g} arcsec")


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


def change(connection: Connection, kind: Kind, identifier: int) -> int:
    """Take a number for the change of a list, whose row must be locked and already updated.

    The list's period ends if it is no longer matched, or not with the same radius or MOC; another begins if it is.

    Returns
    -------
    int
        The number, now `revision` of the list.
    """
    table, key = _TABLE[kind]
    revision = next_revision(connection)
    names = {
        "table": sql.Identifier(table), "key": sql.Identifier(key), "periods": sql.Identifier(f"{kind}_periods"),
        "content": sql.SQL(_PERIOD[kind]), "decided_by": sql.Identifier(_PERIOD[kind].split(",")[0]),
    }  # fmt: skip
    values = {"id": identifier, "revision": revision}
    connection.execute(
        sql.SQL("UPDATE {table} SET revision = %(revision)s, date_modified = now() WHERE {key} = %(id)s").format(
            **names
        ),
        values,
    )
    ended = connection.execute(
        sql.SQL(
            "UPDATE {periods} AS period SET revision_to = %(revision)s WHERE {key} = %(id)s AND revision_to IS NULL"
            " AND NOT EXISTS (SELECT FROM {table} AS list WHERE list.{key} = period.{key} AND list.active"
            " AND (list.date_expire IS NULL OR list.date_expire > now()) AND list.{decided_by} = period.{decided_by})"
        ).format(**names),
        values,
    ).rowcount
    if ended:
        expect_rematch(connection, kind, [identifier])
    connection.execute(
        sql.SQL(
            "INSERT INTO {periods} ({key}, revision_from, {content}) SELECT {key}, %(revision)s, {content} FROM {table}"
            " WHERE {key} = %(id)s AND active AND (date_expire IS NULL OR date_expire > now()) AND NOT EXISTS"
            " (SELECT FROM {periods} AS period WHERE period.{key} = %(id)s AND period.revision_to IS NULL)"
        ).format(**names),
        values,
    )
    return revision


def expect_rematch(connection: Connection, kind: str, identifiers: Sequence[int]) -> None:
    """Mark lists that are no longer matched, so that the next re-match handles them.

    Batches may have written hits of a list that was never matched against past objects, and may still do so.
    """
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO rematch (kind, list_id, revision, hits) VALUES (%s, %s, 0, 0) ON CONFLICT DO NOTHING",
            [(kind, identifier) for identifier in identifiers],
        )


def _close_period(connection: Connection, kind: Kind, identifier: int, revision: int) -> None:
    connection.execute(
        sql.SQL("UPDATE {} SET revision_to = %s WHERE {} = %s AND revision_to IS NULL").format(
            sql.Identifier(f"{kind}_periods"), sql.Identifier(_TABLE[kind][1])
        ),
        (revision, identifier),
    )
    expect_rematch(connection, kind, [identifier])


def _rows(watchlist: int, cones: Cones, revision: int) -> pa.Table:
    return pa.table(
        {
            "wl_id": pa.array(np.full(len(cones), watchlist, np.int64)),
            "revision_from": pa.array(np.full(len(cones), revision, np.int64)),
            "name": cones.name,
            "ra": cones.ra,
            "decl": cones.dec,
            "radius": pa.array(cones.radius, mask=np.isnan(cones.radius)),
        }
    )


def _copy_cones(connection: Connection, watchlist: int, cones: Cones, revision: int) -> None:
    with connection.cursor() as cursor:
        copy.load(cursor, watchlist_cones, _rows(watchlist, cones, revision))


def _stage(connection: Connection, watchlist: int, cones: Cones) -> None:
    connection.execute("DROP TABLE IF EXISTS pg_temp.cone_new")
    connection.execute(
        "CREATE TEMP TABLE cone_new ON COMMIT DROP AS SELECT wl_id, name, ra, decl, radius FROM watchlist_cones"
        " WITH NO DATA"
    )
    with connection.cursor() as cursor:
        rows = _rows(watchlist, cones, 0).drop_columns(["revision_from"])
        copy.load(cursor, watchlist_cones, rows, into="cone_new")
    connection.execute("CREATE INDEX ON cone_new (ra, decl)")
    connection.execute("ANALYZE cone_new")


def remove_cones(connection: Connection, watchlist: int, cone_ids: list[int], revision: int) -> int:
    """Delete cones of a watchlist and their hits; return how many. The cones stay known in `watchlist_cone_gone`."""
    gone = _bury_cones(connection, watchlist, cone_ids, revision)
    drop_hits(connection, "watchlist_hits", "cone_id", gone)
    return len(gone)


def _bury_cones(connection: Connection, watchlist: int, cone_ids: list[int] | None, revision: int) -> list[int]:
    """Move some or all cones of a watchlist to `watchlist_cone_gone`; return their ids."""
    rows = connection.execute(
        "WITH gone AS (DELETE FROM watchlist_cones WHERE wl_id = %s AND (%s::bigint[] IS NULL OR cone_id = ANY(%s))"
        " RETURNING *) INSERT INTO watchlist_cone_gone (cone_id, wl_id, name, ra, decl, radius, mjd_since,"
        " mjd_until, revision_from, revision_to) SELECT cone_id, wl_id, name, ra, decl, radius, mjd_since, mjd_until,"
        " revision_from, %s FROM gone RETURNING cone_id",
        (watchlist, cone_ids, cone_ids, revision),
    )
    return [row[0] for row in rows]


def drop_hits(connection: Connection, table: str, key: str, identifiers: Sequence[int]) -> None:
    """Delete the hits of cones or lists without waiting, except those of objects that another process is writing.

    A change of a list must not wait for a night that is being reprocessed. The next re-match removes what is left.

    Parameters
    ----------
    connection : psycopg.Connection
        In a transaction.
    table, key : str
        Table of hits, and its column.
    identifiers : sequence of int
        Values of the column.
    """
    names = {"table": sql.Identifier(table), "key": sql.Identifier(key)}
    values = {"identifiers": list(identifiers)}
    free = connection.execute(
        sql.SQL(
            "SELECT diaobjectid FROM objects WHERE diaobjectid IN (SELECT diaobjectid FROM {table}"
            " WHERE {key} = ANY(%(identifiers)s)) ORDER BY diaobjectid FOR NO KEY UPDATE SKIP LOCKED"
        ).format(**names),
        values,
    ).fetchall()
    free_ids = [row[0] for row in free]
    connection.execute(
        sql.SQL("DELETE FROM {table} WHERE {key} = ANY(%(identifiers)s) AND diaobjectid = ANY(%(free)s)").format(
            **names
        ),
        {**values, "free": free_ids},
    )
    if free_ids and table == "watchlist_hits":
        name_objects(connection, np.array(free_ids, np.int64))
