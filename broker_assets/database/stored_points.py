"""Points of light curves as they are stored: those of some objects and months, and the comparison with new ones."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final, Self

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from psycopg import sql

from broker_assets.database.arrow import arrow_type
from broker_assets.database.border import TIME, Test, border_of, rows_beyond
from broker_assets.database.fetch import fetch
from broker_assets.database.number_arrays import array_text, distinct
from broker_assets.database.point_identity import (
    IDENTIFYING,
    MARGIN,
    WITHDRAWN,
    Hashes,
    PointKind,
    identities,
    keys,
    mix,
    unmix,
)
from broker_assets.database.point_selection import NO_OBJECT, Listed, Standing, Triggers, standings
from broker_assets.database.point_sums import EVER, Changes, Sums, month_begins, months_of, read
from broker_assets.database.reductions import COMPARED
from broker_assets.database.tables import diaforcedsources, dianondetectionlimits, diasources

TABLES: Final = {
    PointKind.SOURCE: diasources,
    PointKind.FORCED: diaforcedsources,
    PointKind.LIMIT: dianondetectionlimits,
}
"""Table of each kind of point."""

MOST_MONTHS: Final = 40
"""If there are more months, all points of the objects are fetched: histories have twelve, damaged ones any number."""

COLUMNS: Final = {
    kind: pa.schema(
        [
            (name, arrow_type(table.c[name].type))
            for name in ("diaobjectid", *IDENTIFYING[kind], "midpointmjdtai", "broughtbymjdtai", "broughtby", WITHDRAWN)
            + (("archivefileid",) if "archivefileid" in table.c else ())
        ]
    )
    for kind, table in TABLES.items()
}
"""Columns of each table from which `StoredPoints` are made."""


@dataclass(frozen=True)
class StoredPoints:
    """Points of one kind; arrays of equal length."""

    diaobjectid: NDArray[np.int64]
    identity: Hashes
    midpointmjdtai: NDArray[np.float64]
    own: NDArray[np.bool_]
    """Whether the point's own packet provided it."""
    broughtbymjdtai: NDArray[np.float64]
    """Time of the source whose packet provided the point; −inf if that is not known."""
    broughtby: NDArray[np.int64]
    withdrawn: NDArray[np.float64]
    """When the survey withdrew the point; NaN if it did not."""

    @classmethod
    def of(cls, kind: PointKind, rows: pa.Table) -> Self:
        """Make them from rows of the table, stored or to be stored."""
        own = (
            np.asarray(rows["archivefileid"].is_valid())
            if "archivefileid" in rows.column_names
            else np.zeros(rows.num_rows, bool)
        )
        return cls(
            rows["diaobjectid"].to_numpy(),
            identities(kind, rows),
            rows["midpointmjdtai"].to_numpy(),
            own,
            np.asarray(pc.fill_null(rows["broughtbymjdtai"], -np.inf)),
            np.asarray(pc.fill_null(rows["broughtby"], 0)),
            np.asarray(pc.fill_null(pc.cast(rows[WITHDRAWN], pa.float64()), np.nan))
            if WITHDRAWN in rows.column_names
            else np.full(rows.num_rows, np.nan),
        )

    @classmethod
    def none(cls) -> Self:
        """No points."""
        ids, times = np.zeros(0, np.int64), np.zeros(0)
        return cls(ids, np.zeros(0, np.uint64), times, np.zeros(0, bool), times, ids, times)

    @property
    def key(self) -> Hashes:
        """See `keys`."""
        return keys(self.diaobjectid, self.identity)

    def take(self, rows: NDArray[Any]) -> StoredPoints:
        """Select points by indices or a mask."""
        return StoredPoints(*(getattr(self, item.name)[rows] for item in fields(self)))

    def joined(self, other: StoredPoints) -> StoredPoints:
        """The points of both."""
        return StoredPoints(
            *(np.concatenate([getattr(self, item.name), getattr(other, item.name)]) for item in fields(self))
        )

    def sorted(self) -> StoredPoints:
        """Each point once, in the order of `key`."""
        _, first = np.unique(self.key, return_index=True)
        return self.take(first)

    def find(self, key: Hashes) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Place of the points with these keys among sorted points, and whether there is one."""
        own = self.key
        if not own.size:
            return np.zeros(key.size, np.int64), np.zeros(key.size, bool)
        at = np.minimum(np.searchsorted(own, key), own.size - 1)
        return at, own[at] == key

    def changes(self, kind: PointKind, *, removed: bool = False) -> Changes:
        """The points as an addition to the sums, or as a removal from them."""
        known = self.diaobjectid != 0
        part = self if known.all() else self.take(known)
        return Changes(
            part.diaobjectid,
            kind,
            part.midpointmjdtai,
            part.identity,
            part.own,
            part.broughtbymjdtai,
            part.broughtby,
            removed,
        )


def prevails(
    own: NDArray[np.bool_],
    time: NDArray[np.float64],
    source: NDArray[np.int64],
    over: StoredPoints,
) -> NDArray[np.bool_]:
    """Whether a row from a packet replaces a stored one.

    The row of a point is that of its own packet, else that of the earliest packet that has the point.

    Parameters
    ----------
    own : (n,) bool array
        Whether the packet is the point's own.
    time, source : (n,) float64 and int64 arrays
        The packet's source: its time (MJD TAI) and its identifier.
    over : StoredPoints
        The (n,) stored rows.
    """
    earlier = (time < over.broughtbymjdtai) | ((time == over.broughtbymjdtai) & (source < over.broughtby))
    result: NDArray[np.bool_] = ~over.own & (own | earlier)
    return result


def stored_in(
    connection: psycopg.Connection[Any], kind: PointKind, objects: NDArray[np.int64], months: NDArray[np.int64] | None
) -> StoredPoints:
    """Fetch the stored points of objects.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    kind : PointKind
        Kind of points.
    objects : (n,) int64 array
        Objects; may repeat.
    months : (n,) int64 array, optional
        Month of each object, since January 1970; all points of the objects if not given.

    Returns
    -------
    StoredPoints
        Sorted, each point once.
    """
    if not objects.size:
        return StoredPoints.none()
    columns = COLUMNS[kind]
    spans = [(distinct(objects), -np.inf, np.inf)]
    if months is not None and (each := distinct(months)).size <= MOST_MONTHS:
        begins, ends = month_begins(each) - MARGIN, month_begins(each + 1) + MARGIN
        spans = [
            (distinct(objects[months == month]), float(begin), float(end))
            for month, begin, end in zip(each, begins, ends, strict=True)
        ]
    # One search for each month walks the index once, in the order of the objects; a join with pairs of object and
    # month would look up each pair, which takes up to four times as long.
    query = sql.SQL(" UNION ALL ").join(
        sql.SQL(
            "(SELECT {columns} FROM {table} WHERE diaobjectid = ANY({objects}::bigint[])"
            " AND midpointmjdtai >= {begin}::float8 AND midpointmjdtai < {end}::float8 AND {compared} = 0)"
        ).format(
            columns=sql.SQL(", ").join(map(sql.Identifier, columns.names)),
            table=sql.Identifier(TABLES[kind].name),
            objects=sql.Literal(array_text(wanted)),
            begin=sql.Literal(begin),
            end=sql.Literal(end),
            compared=COMPARED,
        )
        for wanted, begin, end in spans
    )
    hot = fetch(connection, query, columns)
    conditions: list[list[Test]] = [[("diaobjectid", "in", distinct(objects))], [("reduction", "=", 0)]]
    if np.isfinite(spans[0][1]):
        conditions += [[(TIME, ">=", spans[0][1])], [(TIME, "<", spans[-1][2])]]
    return StoredPoints.of(kind, _with_cold(connection, kind, hot, conditions)).sorted()


def stored_of(
    connection: psycopg.Connection[Any], kind: PointKind, sums: Sums, place: NDArray[np.int64]
) -> StoredPoints:
    """Fetch all stored points of the objects at some places of sums, sorted, each point once."""
    is_dropped = ~sums.known[place] | (sums.since[place] > EVER)
    dropped, known = place[is_dropped], sums.months(kind, place[~is_dropped])
    return stored_in(connection, kind, *known).joined(stored_in(connection, kind, sums.objects[dropped], None)).sorted()


def stored_without_object(
    connection: psycopg.Connection[Any], kind: PointKind, identity: Hashes, times: NDArray[np.float64]
) -> StoredPoints:
    """Fetch stored points that belong to no object.

    In a month there are as many such sources as a survey detects asteroids: they are found by their number, whatever
    their time is. In the cold store, only months between the first and the last of some times are searched: its files
    are not ordered by number, and all would have to be read.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    kind : PointKind
        Kind of points.
    identity, times : (n,) uint64 and float64 arrays
        Of the points; MJD TAI.

    Returns
    -------
    StoredPoints
        Sorted, each point once.
    """
    if not identity.size:
        return StoredPoints.none()
    months = months_of(times)
    if kind is not PointKind.SOURCE:  # no packet has such points
        return stored_in(connection, kind, np.full(times.size, NO_OBJECT), months)
    table, columns, numbers = TABLES[kind], COLUMNS[kind], distinct(unmix(identity))
    begin, end = month_begins(np.array([months.min(), months.max() + 1])) + np.array([-MARGIN, MARGIN])
    query = sql.SQL(
        "SELECT {columns} FROM {table} WHERE diasourceid = ANY({numbers}::bigint[]) AND {compared} = 0"
    ).format(
        columns=sql.SQL(", ").join(map(sql.Identifier, columns.names)),
        table=sql.Identifier(table.name),
        numbers=sql.Literal(array_text(numbers)),
        compared=COMPARED,
    )
    conditions: list[list[Test]] = [
        [("diasourceid", "in", numbers)],
        [("reduction", "=", 0)],
        [(TIME, ">=", float(begin))],
        [(TIME, "<", float(end))],
    ]
    found = _with_cold(connection, kind, fetch(connection, query, columns), conditions)
    return StoredPoints.of(kind, found.filter(pc.equal(found["diaobjectid"], NO_OBJECT))).sorted()


def _with_cold(
    connection: psycopg.Connection[Any], kind: PointKind, hot: pa.Table, conditions: list[list[Test]]
) -> pa.Table:
    """Rows of a table, with those of months that are in the cold store."""
    table = TABLES[kind]
    border = border_of(connection, table)
    cold = None if border is None else rows_beyond(connection, table, COLUMNS[kind].names, conditions, border)
    return hot if cold is None else pa.concat_tables([hot, cold])


@dataclass(frozen=True)
class Comparison:
    """What was determined about the points of a batch before its transaction."""

    sums: Sums
    """Sums of its objects at that time: if they are unchanged in the transaction, all that was determined still holds.
    """
    stored: dict[PointKind, StoredPoints]
    """The stored points among those to be written."""


def compare(
    connection: psycopg.Connection[Any], triggers: Triggers, points: Listed
) -> tuple[NDArray[np.bool_], Comparison]:
    """Determine which points of some packets have to be written.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    triggers, points : Triggers, Listed
        The packets' own sources, and the points of their histories.

    Returns
    -------
    keep : (n,) bool array
        Which points of the histories are new, come from an earlier packet than the stored row, or are withdrawn.
    comparison : Comparison
        To be passed to the writer.
    """
    # Most points belong to the packet's own object, so that few object numbers are left to sort.
    others = points.diaobjectid[points.diaobjectid != triggers.diaobjectid[points.trigger]]
    sums = read(connection, np.concatenate([triggers.diaobjectid, others]))
    found = standings(triggers, points, sums)
    keep = found.listed == Standing.NEW
    stored = {}
    for kind in PointKind:
        # Also those that are new in their months, unless they are found stored in a month that is read for others.
        rows = np.flatnonzero((points.kind == kind) & (found.listed != Standing.STORED))
        sources = np.arange(len(found.own) if kind is PointKind.SOURCE else 0)
        is_open = np.concatenate([found.listed[rows], found.own[sources]]) == Standing.OPEN
        objects = np.concatenate([points.diaobjectid[rows], triggers.diaobjectid[sources]])
        times = np.concatenate([points.midpointmjdtai[rows], triggers.midpointmjdtai[sources]])
        identity = np.concatenate([points.identity[rows], mix(triggers.diasourceid[sources])])
        is_lonely = is_open & (objects == NO_OBJECT)
        is_open &= ~is_lonely
        there = stored_in(connection, kind, objects[is_open], months_of(times[is_open])).joined(
            stored_without_object(connection, kind, identity[is_lonely], times[is_lonely])
        )
        # A point that is not stored in its month may be stored in another one.
        missed = objects[is_open & ~there.sorted().find(keys(objects, identity))[1]]
        everywhere = np.union1d(found.scattered[kind], sums.place(missed))
        there = there.joined(stored_of(connection, kind, sums, everywhere)).sorted()
        at, hit = there.find(keys(objects, identity))
        listed = hit[: rows.size]
        by = points.trigger[rows[listed]]
        replaced = prevails(
            np.zeros(by.size, bool),
            triggers.midpointmjdtai[by],
            triggers.diasourceid[by],
            there.take(at[: rows.size][listed]),
        )
        keep[rows] = ~listed
        keep[rows[listed]] = replaced | points.withdrawn[rows[listed]]
        stored[kind] = there.take(distinct(at[hit]))
    return keep, Comparison(sums, stored)
