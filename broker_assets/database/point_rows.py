"""Writes and removes the points of light curves, so that their rows do not depend on the order of the packets.

A point has one row: that of its own packet, else that of the earliest packet that has it. The rows of `point_sums` of
all objects concerned are locked first, in the order of their identifiers. What was determined about a batch before its
transaction (`stored_points.compare`) holds for the objects whose sums are still the same; the points of the others are
compared again.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from numpy.typing import NDArray
from psycopg import sql
from sqlalchemy.dialects import postgresql

from broker_assets.database import border, point_sums, tables
from broker_assets.database.fetch import fetch
from broker_assets.database.number_arrays import distinct
from broker_assets.database.point_identity import IDENTIFYING, WITHDRAWN, PointKind, sane_time
from broker_assets.database.point_selection import NO_OBJECT
from broker_assets.database.point_sums import Changes, Sums, months_of
from broker_assets.database.staging import Conflict, Inserted, append, insert
from broker_assets.database.stored_points import (
    COLUMNS,
    TABLES,
    Comparison,
    StoredPoints,
    prevails,
    stored_in,
    stored_of,
    stored_without_object,
)

logger = logging.getLogger(__name__)

ATTEMPTS: Final = 5
"""Attempts to write a batch; it is compared again if another writer stores points of a new object at the same time."""

_KEYS: Final = {PointKind.SOURCE: ("diaobjectid", "diasourceid")}
"""Columns that are returned for rows whose own packet provided them."""


class PointsRemovedError(psycopg.OperationalError):
    """Points of an object were removed after the packets of a batch had been compared with them.

    Like after a serialisation failure, the packets are not at fault and must be decoded again.
    """


def write_points(
    connection: psycopg.Connection[Any], parts: Mapping[PointKind, pa.Table], comparison: Comparison | None = None
) -> dict[PointKind, Inserted]:
    """Write those points that are new, or whose row prevails over the stored one.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection in a transaction.
    parts : mapping of PointKind to Table
        Rows of each kind with `night`, `broughtby` and `broughtbymjdtai`; a point may be there several times. Sources
        with an `archivefileid` are those of their own packets.
    comparison : Comparison, optional
        What was determined before; without it all points are compared.

    Returns
    -------
    dict of PointKind to Inserted
        Rows written, by night; for sources also how many have their own packet, and the keys of these.

    Raises
    ------
    PointsRemovedError
        If points were removed since the comparison.
    ValueError
        If the time of a point is not sane (`point_identity.sane_time`).
    """
    writer = _Writer(connection, {kind: rows for kind, rows in parts.items() if rows.num_rows}, comparison)
    for _ in range(ATTEMPTS):
        try:
            with connection.transaction():
                return writer.write()
        except psycopg.errors.UniqueViolation as error:
            # Another writer stored the first points of an object, or the sums are wrong (only if somebody changed the
            # tables by hand): then only the stored points themselves are trusted.
            logger.warning("points are compared again: %s", error.diag.message_detail)
            writer.distrust(sums=error.diag.table_name != tables.point_sums.name)
    raise psycopg.OperationalError(
        f"points could not be written in {ATTEMPTS} attempts: other processes are writing the same objects"
    )


@dataclass(frozen=True)
class Removed:
    """Points that were removed."""

    count: dict[PointKind, int]
    objects: NDArray[np.int64]
    """Their objects, ascending."""
    withdrawn: dict[PointKind, pa.Table]
    """Identifying columns of those that were marked as withdrawn, perhaps by a packet of another night, and their
    marks."""

    def mark_again(self, connection: psycopg.Connection[Any]) -> None:
        """Mark those of the withdrawn points that have been written again."""
        for kind, rows in self.withdrawn.items():
            mark_withdrawn(connection, kind, rows)


def remove_points(connection: psycopg.Connection[Any], night: datetime.date, survey: int) -> Removed:
    """Remove the points that packets of a night provided.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection in a transaction.
    night, survey : date, int
        Night and survey of the packets; see `tables.SURVEYS`.
    """
    border.thaw(connection, night)
    values = {"night": sql.Literal(night), "survey": sql.Literal(survey)}
    of_night = sql.SQL("night = {night} AND survey = {survey}").format(**values)
    objects = sql.SQL(" UNION ").join(
        sql.SQL("SELECT diaobjectid FROM {} WHERE {}").format(sql.Identifier(TABLES[kind].name), of_night)
        for kind in PointKind
    )
    known = fetch(connection, objects, pa.schema([("diaobjectid", pa.int64())]))["diaobjectid"].to_numpy()
    sums = point_sums.read(connection, known[known != NO_OBJECT], lock=True)
    removed: dict[PointKind, StoredPoints] = {}
    withdrawn: dict[PointKind, pa.Table] = {}
    for kind in PointKind:
        table = TABLES[kind]
        columns = COLUMNS[kind]
        rows = fetch(
            connection,
            sql.SQL("DELETE FROM {} WHERE {} RETURNING {}").format(
                sql.Identifier(table.name), of_night, sql.SQL(", ").join(map(sql.Identifier, columns.names))
            ),
            columns,
        )
        removed[kind] = StoredPoints.of(kind, rows)
        marked = rows.filter(pc.is_valid(rows[WITHDRAWN]))
        if marked.num_rows:
            withdrawn[kind] = marked
    changes = [points.changes(kind, removed=True) for kind, points in removed.items()]
    point_sums.write(connection, sums.after(changes), removal=True)
    count = {kind: len(points.diaobjectid) for kind, points in removed.items()}
    return Removed(count, sums.objects, withdrawn)


def mark_withdrawn(connection: psycopg.Connection[Any], kind: PointKind, rows: pa.Table) -> None:
    """Mark stored points as withdrawn; of two marks the earlier one stays.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection in a transaction.
    kind : PointKind
        Kind of the points.
    rows : Table
        Their identifying columns, and `timewithdrawnmjdtai`; further columns are ignored.
    """
    table = TABLES[kind]
    names = ["diaobjectid", *IDENTIFYING[kind], WITHDRAWN]
    beyond: list[list[border.Test]] = [[(name, "in", rows[name].unique().to_pylist())] for name in names[:-1]]
    border.warm(connection, table, [*beyond, [("reduction", "=", 0)]])
    connection.execute(
        sql.SQL(
            "UPDATE {table} AS point SET {mark} = LEAST(point.{mark}, given.{mark})"
            " FROM unnest({arrays}) AS given ({names}) WHERE {same} AND reduction = 0"
        ).format(
            table=sql.Identifier(table.name),
            mark=sql.Identifier(WITHDRAWN),
            arrays=_arrays(table, names),
            names=sql.SQL(", ").join(map(sql.Identifier, names)),
            same=_same(names[:-1]),
        ),
        [rows[name].to_pylist() for name in names],
    )


def _marked(rows: pa.Table, marks: NDArray[np.float64]) -> pa.Table:
    """Rows with these times of withdrawal."""
    if not np.isfinite(marks).any():
        return rows
    column = pa.array(marks, pa.float64(), mask=np.isnan(marks))
    place = rows.schema.get_field_index(WITHDRAWN)
    return rows.append_column(WITHDRAWN, column) if place < 0 else rows.set_column(place, WITHDRAWN, column)


def _arrays(table: sa.Table, names: Sequence[str]) -> sql.Composed:
    """Placeholders of arrays with the types of columns."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    types = [table.c[name].type.compile(dialect=dialect) for name in names]
    return sql.SQL(", ").join(sql.SQL("{}::{}[]").format(sql.Placeholder(), sql.SQL(kind)) for kind in types)


def _same(names: Sequence[str]) -> sql.Composed:
    """Condition that a row of `point` is the same as one of `given`."""
    return sql.SQL(" AND ").join(sql.SQL("point.{0} = given.{0}").format(sql.Identifier(name)) for name in names)


def _best_first(points: StoredPoints) -> NDArray[np.int64]:
    """The order of points by key; among rows of a point, the one that counts comes first, equal ones in their order."""
    key = points.key
    order = np.argsort(key)
    ordered = key[order]
    same = ordered[1:] == ordered[:-1]
    if same.any():
        # Only points that occur several times need a sort of all columns.
        several = np.concatenate([same, [False]]) | np.concatenate([[False], same])
        part = np.sort(order[several])
        ranks = (points.broughtby[part], points.broughtbymjdtai[part], ~points.own[part], key[part])
        order[several] = part[np.lexsort(ranks)]
    return order


class _Writer:
    """The points of one batch."""

    def __init__(
        self, connection: psycopg.Connection[Any], parts: dict[PointKind, pa.Table], comparison: Comparison | None
    ) -> None:
        self._connection = connection
        self._comparison = comparison
        self._believes_sums = True
        self._rows: dict[PointKind, pa.Table] = {}
        self._points: dict[PointKind, StoredPoints] = {}
        for kind, rows in parts.items():
            points = StoredPoints.of(kind, rows)
            sane = sane_time(points.midpointmjdtai)
            if not sane.all():
                worst = points.midpointmjdtai[~sane][0]
                raise ValueError(f"{TABLES[kind].name}: midpointmjdtai {worst} is not in this or the last century")
            # The first of equal rows counts: an earlier packet of the batch before a later one.
            order = _best_first(points)
            key = points.key[order]
            begins = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
            first = order[begins]
            # A point that any packet calls withdrawn is withdrawn, whichever packet provided its row.
            marks = np.fmin.reduceat(points.withdrawn[order], begins)
            # In the order of the unique index, whose pages are then written one after the other.
            best = replace(points.take(first), withdrawn=marks)
            sorted_by_key = np.lexsort((best.identity, best.midpointmjdtai, best.diaobjectid))
            self._rows[kind] = rows.take(pa.array(first[sorted_by_key]))
            self._points[kind] = best.take(sorted_by_key)

    def distrust(self, *, sums: bool) -> None:
        """Compare all points with the stored ones at the next attempt; with `sums`, also compute the sums again."""
        self._comparison = None
        self._believes_sums = self._believes_sums and not sums

    def write(self) -> dict[PointKind, Inserted]:
        """Compare and write within the transaction."""
        written = {kind: Inserted() for kind in PointKind}
        if not self._rows:
            return written
        every = np.concatenate([points.diaobjectid for points in self._points.values()])
        objects = every[every != NO_OBJECT]
        if self._comparison is None:
            sums = point_sums.read(self._connection, objects, lock=True)
        else:
            sums = point_sums.lock(self._connection, objects, self._comparison.sums)
        counted = ~sums.known if self._believes_sums else np.ones(len(sums.objects), bool)
        settled = self._settled(sums) & ~counted
        # For objects whose sums are not known, all points of any kind are fetched, and the sums are made from them.
        whole = {kind: stored_in(self._connection, kind, sums.objects[counted], None) for kind in PointKind}
        changes: list[Changes] = [points.changes(kind) for kind, points in whole.items()]
        chosen: dict[PointKind, pa.Table] = {}
        for kind, points in self._points.items():
            stored = self._stored(kind, points, sums, settled, whole[kind])
            at, hit = stored.find(points.key)
            wins = ~hit
            old = stored.take(at[hit])
            marks = points.withdrawn.copy()
            marks[hit] = np.fmin(marks[hit], old.withdrawn)
            better = prevails(points.own[hit], points.broughtbymjdtai[hit], points.broughtby[hit], old)
            wins[hit] = better
            if better.any():
                replaced = old.take(better)
                rows = self._rows[kind].filter(pa.array(wins & hit))
                self._delete(kind, rows, replaced.midpointmjdtai)
                if (months_of(rows[border.TIME].to_numpy()) != months_of(replaced.midpointmjdtai)).any():
                    border.note_moved(self._connection, TABLES[kind], rows, replaced.midpointmjdtai)
                changes.append(replaced.changes(kind, removed=True))
            changes.append(points.take(wins).changes(kind))
            chosen[kind] = _marked(self._rows[kind].filter(pa.array(wins)), marks[wins])
            late = np.flatnonzero(hit)[~better & ~(marks[hit] == old.withdrawn) & np.isfinite(marks[hit])]
            if late.size:
                mark_withdrawn(self._connection, kind, _marked(self._rows[kind].take(pa.array(late)), marks[late]))
        # First the sums: if another writer has stored a new object in the meantime, this fails before any row is
        # written.
        point_sums.write(self._connection, sums.after(changes, counted=counted))
        return written | {kind: self._insert(kind, rows) for kind, rows in chosen.items()}

    def _settled(self, sums: Sums) -> NDArray[np.bool_]:
        """Objects for which the comparison made before still holds."""
        if self._comparison is None:
            return np.zeros(len(sums.objects), bool)
        before = self._comparison.sums
        if sums.removed_since(before).any():
            raise PointsRemovedError("points of these objects were removed meanwhile; the packets are decoded again")
        same: NDArray[np.bool_] = before.changes[before.place(sums.objects)] == sums.changes
        return same

    def _stored(
        self,
        kind: PointKind,
        points: StoredPoints,
        sums: Sums,
        settled: NDArray[np.bool_],
        whole: StoredPoints,
    ) -> StoredPoints:
        """Those of these points that are stored, sorted."""
        asked = ~np.isin(points.diaobjectid, sums.objects[settled])
        lonely = asked & (points.diaobjectid == NO_OBJECT)
        asked &= ~lonely
        # A point may be stored with another time, in any of the months of its object: in those that have an entry in
        # the locked sums, and nowhere else.
        place = sums.place(distinct(points.diaobjectid[asked]))
        found = (
            stored_of(self._connection, kind, sums, place)
            .joined(
                stored_without_object(self._connection, kind, points.identity[lonely], points.midpointmjdtai[lonely])
            )
            .joined(whole)
        )
        if self._comparison is not None:
            earlier = self._comparison.stored[kind]
            kept = np.isin(earlier.diaobjectid, sums.objects[settled])
            found = found.joined(earlier.take(kept))
        return found.sorted()

    def _delete(self, kind: PointKind, rows: pa.Table, times: NDArray[np.float64]) -> None:
        """Delete the stored rows of points at their stored times, which may differ from those of the new rows."""
        table = TABLES[kind]
        names = ["diaobjectid", *IDENTIFYING[kind], "midpointmjdtai"]
        self._connection.execute(
            sql.SQL(
                "DELETE FROM {table} AS point USING unnest({arrays}) AS given ({names}) WHERE {same} AND reduction = 0"
            ).format(
                table=sql.Identifier(table.name),
                arrays=_arrays(table, names),
                names=sql.SQL(", ").join(map(sql.Identifier, names)),
                same=_same(names),
            ),
            [*(rows[name].to_pylist() for name in names[:-1]), times.tolist()],
        )

    def _insert(self, kind: PointKind, rows: pa.Table) -> Inserted:
        table, keys = TABLES[kind], _KEYS.get(kind, ())
        mark = "archivefileid" if "archivefileid" in table.c else None
        if mark and mark not in rows.column_names:
            rows = rows.append_column(mark, pa.nulls(rows.num_rows, pa.int64()))
        # Sources without an object have no sums and so no lock: the unique index decides between two writers.
        lonely = pc.equal(rows["diaobjectid"], NO_OBJECT)
        with self._connection.cursor() as cursor:
            direct = append(cursor, table, rows.filter(pc.invert(lonely)), mark=mark, keys=keys)
            unique = ("diaobjectid", "midpointmjdtai", *IDENTIFYING[kind], "reduction")
            staged = insert(cursor, table, rows.filter(lonely), Conflict.ignore(unique), mark=mark, keys=keys)
        return direct + staged
