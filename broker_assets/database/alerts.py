"""Writes the rows of alerts to the tables, exactly once.

Everything happens in the caller's transaction, so the rows become visible together with the position of the stream.
Points of light curves are compared with the stored ones and written directly (`point_rows`); objects, and all else that
is one row with changing content, go by binary COPY to a temporary table, and from there by `INSERT … ON CONFLICT`. Rows
are written in the order of their keys, so writers of the same objects wait for one another instead of deadlocking.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from numpy.typing import NDArray
from psycopg import sql

from broker_assets.database.number_arrays import array_text
from broker_assets.database.point_identity import PointKind
from broker_assets.database.point_rows import Removed, remove_points, write_points
from broker_assets.database.staging import Conflict, Inserted, by_night, insert, unique_sorted
from broker_assets.database.stored_points import TABLES, Comparison
from broker_assets.database.tables import (
    diaforcedsources,
    dianondetectionlimits,
    mpc_orbits,
    objects,
    ssobjects,
    sssources,
)

ARCHIVE = ("archivefileid", "archiveposition", "archivelength")


@dataclass(frozen=True, kw_only=True)
class AlertRows:
    """Rows of a batch, columns named as in the tables, including `night`; `ingestid` is added when they are written."""

    sources: pa.Table
    """`diasources`: the source of each packet, with its archive position, in packet order."""
    history: pa.Table | None = None
    """`diasources`: sources from the histories, without archive position."""
    forced_sources: pa.Table | None = None
    """`diaforcedsources`."""
    objects: pa.Table | None = None
    """`objects`; rows of one object may repeat, the latest counts. Missing columns are left as stored."""
    solar_system_sources: pa.Table | None = None
    """`sssources`."""
    solar_system_objects: pa.Table | None = None
    """`ssobjects`, like `objects`."""
    orbits: pa.Table | None = None
    """`mpc_orbits`, like `objects`."""
    nondetections: pa.Table | None = None
    """`dianondetectionlimits`."""


@dataclass(kw_only=True)
class NightCounts:
    """What a batch, or a run of batches, contributed to one night."""

    stored: int = 0
    """Packets whose source had no archive position before."""
    duplicate: int = 0
    """Packets whose source had one, in the tables or earlier in the batch."""
    sources: int = 0
    """Rows of `diasources` inserted, or completed with an archive position."""
    forced_sources: int = 0
    """Rows of `diaforcedsources` inserted."""
    objects: int = 0
    """Rows of `objects` inserted or updated."""
    solar_system_sources: int = 0
    """Rows of `sssources` inserted."""
    archived: int = 0
    """Messages written to the archive."""
    archived_bytes: int = 0
    """Size of the archive files, bytes."""
    facts: dict[str, int] = field(default_factory=dict)
    """Facts that enrichments wrote, by asset."""

    def __add__(self, other: NightCounts) -> NightCounts:
        names = [item.name for item in fields(NightCounts) if item.name != "facts"]
        numbers = {name: getattr(self, name) + getattr(other, name) for name in names}
        return NightCounts(**numbers, facts=added(self.facts, other.facts))


def added(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    """Sums by name; a name that one of them lacks counts as zero there."""
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}


@dataclass(kw_only=True)
class WriteCounts(NightCounts):
    """What a batch wrote, in total and by night."""

    solar_system_objects: int = 0
    """Rows of `ssobjects` inserted or updated."""
    orbits: int = 0
    """Rows of `mpc_orbits` inserted or updated."""
    nondetections: int = 0
    """Rows of `dianondetectionlimits` inserted."""
    nights: dict[datetime.date, NightCounts] = field(default_factory=dict)
    """Counts by night."""
    stored_packets: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """Rows of `AlertRows.sources` that were stored and are not duplicates, ascending."""
    newest_objects: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """Rows of `AlertRows.objects` that are now those of `objects`, ascending; an object at most once."""


def write(
    connection: psycopg.Connection[Any],
    rows: AlertRows,
    ingestid: int,
    *,
    comparison: Comparison | None = None,
    replace: bool = False,
) -> WriteCounts:
    """Write the rows of a batch within the caller's transaction.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection in a transaction; nothing is committed here.
    rows : AlertRows
        The rows. Partitions for their times should exist (`broker_assets.database.partitions.ensure`).
    ingestid : int
        Batch, see `ingest_batch`.
    comparison : Comparison, optional
        What was determined about the points before the transaction; without it, all are compared now.
    replace : bool
        Also overwrite objects whose stored row is as new as this one: for reprocessing.

    Returns
    -------
    WriteCounts
        With received = stored + duplicate, where received is the number of rows of `rows.sources`.

    Raises
    ------
    ValueError
        If a source of a packet has no archive position, or a value does not fit its column.
    PointsRemovedError
        If points were removed since the comparison: the packets must be decoded again.
    """
    missing = [name for name in ARCHIVE if name not in rows.sources.column_names or rows.sources[name].null_count]
    if missing and rows.sources.num_rows:
        raise ValueError(f"sources of packets need {', '.join(missing)}")
    given = {
        table.name: _with_batch(part, ingestid)
        for table, part in (
            (diaforcedsources, rows.forced_sources),
            (objects, rows.objects),
            (sssources, rows.solar_system_sources),
            (ssobjects, rows.solar_system_objects),
            (mpc_orbits, rows.orbits),
            (dianondetectionlimits, rows.nondetections),
        )
    }
    seen, history = _with_batch(rows.sources, ingestid), _with_batch(rows.history, ingestid)
    points = write_points(
        connection,
        {
            PointKind.SOURCE: _joined(seen, history),
            PointKind.FORCED: given["diaforcedsources"],
            PointKind.LIMIT: given["dianondetectionlimits"],
        },
        comparison,
    )
    written, forced, limits = (points[kind] for kind in PointKind)
    with connection.cursor() as cursor:
        newest = _with_forced_times(given["objects"], given["diaforcedsources"])
        known, chosen = _write_newest(cursor, objects, "diaobjectid", newest, replace=replace)
        _lift_forced_times(cursor, newest, known)
        solar = insert(
            cursor,
            sssources,
            unique_sorted(given["sssources"], _SOLAR_SYSTEM_KEY),
            Conflict.ignore(_SOLAR_SYSTEM_KEY),
        )
        small = {}
        for table, name in ((ssobjects, "ssobjectid"), (mpc_orbits, "designation")):
            small[table.name], _ = _write_newest(cursor, table, name, given[table.name], replace=replace)
    received = by_night(rows.sources)
    nights = {
        night: NightCounts(
            stored=written.marked.get(night, 0),
            duplicate=count - written.marked.get(night, 0),
            sources=written.rows.get(night, 0),
            forced_sources=forced.rows.get(night, 0),
            objects=known.rows.get(night, 0),
            solar_system_sources=solar.rows.get(night, 0),
        )
        for night, count in received.items()
        if night is not None
    }
    stored = sum(written.marked.values())
    return WriteCounts(
        stored=stored,
        duplicate=rows.sources.num_rows - stored,
        sources=written.total,
        forced_sources=forced.total,
        objects=known.total,
        solar_system_sources=solar.total,
        solar_system_objects=small["ssobjects"].total,
        orbits=small["mpc_orbits"].total,
        nondetections=limits.total,
        nights=nights,
        stored_packets=_first_rows(rows.sources, written.keys),
        newest_objects=np.sort(chosen[np.isin(newest["diaobjectid"].to_numpy()[chosen], known.keys)])
        if chosen.size
        else chosen,
    )


def _first_rows(rows: pa.Table, keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first row of each source that was stored; keys are (diaobjectid, diasourceid)."""
    if len(keys) in (0, rows.num_rows):
        return np.arange(len(keys), dtype=np.int64)
    pairs = np.stack([rows["diaobjectid"].to_numpy(), rows["diasourceid"].to_numpy()], axis=1).astype(np.int64)
    both = np.concatenate([pairs, keys])
    _, first, number = np.unique(both, axis=0, return_index=True, return_inverse=True)
    found = first[np.unique(number.ravel()[len(pairs) :])]
    return np.sort(found[found < len(pairs)])


@dataclass(frozen=True)
class DeletedNight:
    """The rows of a night that were deleted, to be written again."""

    counts: dict[str, int]
    """Number of rows by table."""
    points: Removed
    """Points; call `mark_again` after they are written again."""


def delete_night(connection: psycopg.Connection[Any], night: datetime.date, survey: int) -> DeletedNight:
    """Delete the rows of the packets of a night, within the caller's transaction, before they are written again.

    Objects, solar-system objects and orbits stay: they reflect the latest alert, which may be of a later night. Their
    rows are locked, in the order in which `write` locks them: the rows are written again file by file, in no particular
    order, while the stream and other nights write the same rows.
    """
    removed = remove_points(connection, night, survey)
    counts = {TABLES[kind].name: count for kind, count in removed.count.items()}
    _lock(connection, objects, "diaobjectid", removed.objects)
    found = connection.execute(
        "DELETE FROM sssources WHERE night = %s AND survey = %s RETURNING ssobjectid, designation", (night, survey)
    ).fetchall()
    moving = np.unique(np.array([identifier for identifier, _ in found], np.int64))
    _lock(connection, ssobjects, "ssobjectid", moving)
    # The orbit of an object that was identified with another one since has its other identifier.
    connection.execute(
        "SELECT FROM mpc_orbits WHERE ssobjectid = ANY(%s::bigint[]) OR designation = ANY(%s) OR night = %s"
        " ORDER BY designation FOR UPDATE",
        (array_text(moving), sorted({name for _, name in found if name is not None}), night),
    )
    return DeletedNight(counts | {"sssources": len(found)}, removed)


def _lock(connection: psycopg.Connection[Any], table: sa.Table, key: str, values: NDArray[np.int64]) -> None:
    """Lock rows in the order of their keys, until the transaction ends."""
    connection.execute(
        sql.SQL("SELECT FROM {} WHERE {key} = ANY(%s::bigint[]) ORDER BY {key} FOR UPDATE").format(
            sql.Identifier(table.name), key=sql.Identifier(key)
        ),
        (array_text(values),),
    )


_ROW = "row of the batch"
"""Column that numbers rows while they are sorted; no table has a column of this name."""

_SOLAR_SYSTEM_KEY = ("ssobjectid", "diasourceid")


def _with_batch(rows: pa.Table | None, ingestid: int) -> pa.Table:
    """Remove the packet numbers and add the batch."""
    if rows is None or rows.num_rows == 0:
        return pa.table({})
    rows = rows.drop_columns([name for name in ("packet", "ingestid") if name in rows.column_names])
    return rows.append_column("ingestid", pa.repeat(pa.scalar(ingestid, pa.int64()), rows.num_rows))


def _joined(*parts: pa.Table) -> pa.Table:
    filled = [part for part in parts if part.num_rows]
    return pa.concat_tables(filled, promote_options="default") if filled else pa.table({})


def _with_forced_times(rows: pa.Table, forced: pa.Table) -> pa.Table:
    """Set `lastforcedmjdtai` to the latest forced point in the batch."""
    if rows.num_rows == 0:
        return rows
    if "lastforcedmjdtai" in rows.column_names:
        rows = rows.drop_columns(["lastforcedmjdtai"])
    times = np.full(rows.num_rows, np.nan)
    if forced.num_rows:
        newest = forced.group_by("diaobjectid").aggregate([("midpointmjdtai", "max")]).sort_by("diaobjectid")
        known = newest["diaobjectid"].to_numpy()
        wanted = rows["diaobjectid"].to_numpy()
        place = np.minimum(np.searchsorted(known, wanted), known.size - 1)
        hit = known[place] == wanted
        times[hit] = newest["midpointmjdtai_max"].to_numpy()[place[hit]]
    return rows.append_column("lastforcedmjdtai", pa.array(times, pa.float64(), mask=~np.isfinite(times)))


def _write_newest(
    cursor: psycopg.Cursor[Any], table: sa.Table, key: str, rows: pa.Table, *, replace: bool
) -> tuple[Inserted, NDArray[np.int64]]:
    """Write the newest row of each key, unless the table has a newer one; also return which rows are the newest."""
    if rows.num_rows == 0:
        return Inserted(), np.zeros(0, np.int64)
    times = rows["lastdiasourcemjdtai"].to_numpy()
    # PostgreSQL sorts NaN above all numbers: if stored, it would exclude every later alert.
    finite = np.isfinite(times)
    if not finite.all():
        place = rows.column_names.index("lastdiasourcemjdtai")
        rows = rows.set_column(place, "lastdiasourcemjdtai", pa.array(times, pa.float64(), mask=~finite))
    newest_first = np.argsort(np.where(finite, -times, np.inf), kind="stable")
    numbered = rows.append_column(_ROW, pa.array(np.arange(rows.num_rows)))
    newest = unique_sorted(numbered.take(pa.array(newest_first)), (key,))
    chosen: NDArray[np.int64] = newest[_ROW].to_numpy()
    newest = newest.drop_columns([_ROW])
    conflict = Conflict.newest(
        table,
        key,
        newest.column_names,
        by="lastdiasourcemjdtai",
        greatest=("lastforcedmjdtai",),
        touched="timestamp" if "timestamp" in table.c else None,
        equal=replace,
    )
    keys = (key,) if isinstance(table.c[key].type, sa.BigInteger) else ()
    return insert(cursor, table, newest, conflict, keys=keys), chosen


def _lift_forced_times(cursor: psycopg.Cursor[Any], rows: pa.Table, written: Inserted) -> None:
    """Raise `lastforcedmjdtai` of objects whose newer row was kept, since their forced points were stored."""
    if rows.num_rows == 0 or written.total == len(pc.unique(rows["diaobjectid"])):
        return
    cursor.execute(
        "UPDATE objects SET lastforcedmjdtai = stage.lastforcedmjdtai FROM stage_objects AS stage"
        " WHERE objects.diaobjectid = stage.diaobjectid"
        " AND stage.lastforcedmjdtai > coalesce(objects.lastforcedmjdtai, '-Infinity')"
    )
