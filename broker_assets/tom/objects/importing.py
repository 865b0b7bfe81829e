"""Imports what brokers reported: copies objects, detections and forced photometry from the survey to the stream's
tables.

The work list consists of the detections that messages are about. For their objects, what has been reported is imported:
the rows of the objects, the listed detections, and forced photometry up to the newest of them; then the roll-ups are
updated. Each part of the list is a transaction, which also removes the part from the list: a process that dies leaves
the rest of the list, and nothing half done.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import psycopg
import pyarrow as pa
from numpy.typing import NDArray
from psycopg import sql

from broker_assets.database import copy, partitions
from broker_assets.database.fetch import fetch
from broker_assets.database.tables import SURVEYS, diaforcedsources, diasources, objects
from broker_assets.database.tables.tom import diaobjectdetails
from broker_assets.tom.objects.class_rollup import update_classes
from broker_assets.tom.objects.curve_rollup import update_curves
from broker_assets.tom.versions.roots import place_new

log = logging.getLogger(__name__)

VERSION: Final = "1"
"""Version of this code; raise it when the imported rows change."""
TOGETHER: Final = 20_000
"""Detections of the work list per transaction."""
LOCK: Final = 0x746F6D696D70
"""Advisory lock of the import, released when its process ends."""

Cells = Callable[[NDArray[np.float64], NDArray[np.float64]], tuple[NDArray[np.int64], NDArray[np.int64]]]
"""From right ascension and declination, degrees, to the columns `healpix` and `htm16` of `objects`."""

_ELASTICC: Final = SURVEYS["elasticc"]
_MONTH: Final = 27.0
"""Days; no month is shorter."""
_DETAILS: Final = [column.name for column in diaobjectdetails.columns if column.name != "latestsourcemjd"]


class ImportRunning(RuntimeError):
    """Another process is importing."""


@dataclass(frozen=True)
class Imported:
    """What was new."""

    listed: int = 0
    """Detections on the work list."""
    unknown: int = 0
    """Those of them that neither the survey nor the stream has; they are taken off the list."""
    objects: int = 0
    sources: int = 0
    forced: int = 0
    curves: int = 0
    """Rows of `elasticc2_diaobjectinfo` that were written."""
    classifications: int = 0
    """Rows of `elasticc2_diaobjectclassification` that were written."""

    def __add__(self, other: Imported) -> Imported:
        return Imported(*(getattr(self, item.name) + getattr(other, item.name) for item in fields(self)))


def import_reported(connection: psycopg.Connection[Any], cells: Cells, *, every: bool = False) -> Imported:
    """Import the detections that messages are about, as `update_elasticc2_sources` of the original does.

    Parameters
    ----------
    connection : psycopg.Connection
        With autocommit, outside a transaction.
    cells : callable
        Computes the index cells of positions: `sky.cells.cells_at` and `sky.htm.htm`.
    every : bool
        Whether to import the detections of all messages (`--doall`) instead of the work list, which then stays as it
        is, and to give objects from a dump their cells.

    Returns
    -------
    Imported
        Counts.

    Raises
    ------
    ImportRunning
        If another process is importing; this one has done nothing.
    """
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", (LOCK,)).fetchone()
    if row is None or not row[0]:
        raise ImportRunning("another process is importing what brokers reported; its end releases the next")
    try:
        done = Imported()
        if every:
            _place_restored(connection, cells)
        after = -(2**63)
        while (listed := _next(connection, after, every=every)).size:
            done += _import(connection, listed, cells, takes=not every)
            after = int(listed[-1])
            log.info("imported %s", done)
        place_new(connection)
        return done
    finally:
        if not connection.broken:
            connection.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))


def _next(connection: psycopg.Connection[Any], after: int, *, every: bool) -> NDArray[np.int64]:
    source = "elasticc2_brokermessage" if every else "elasticc2_brokersourceids"
    query = sql.SQL("SELECT DISTINCT diasource_id FROM {} WHERE diasource_id > {} ORDER BY 1 LIMIT {}").format(
        sql.Identifier(source), sql.Literal(after), sql.Literal(TOGETHER)
    )
    return _numbers(connection, query)


def _numbers(connection: psycopg.Connection[Any], query: sql.Composable) -> NDArray[np.int64]:
    found: NDArray[np.int64] = fetch(connection, query, pa.schema([("number", pa.int64())]))["number"].to_numpy()
    return found


def _import(connection: psycopg.Connection[Any], listed: NDArray[np.int64], cells: Cells, *, takes: bool) -> Imported:
    """One part of the work list."""
    given = sql.Literal(listed.tolist())
    known = fetch(
        connection,
        sql.SQL(
            "SELECT diasource_id, diaobject_id, midpointtai FROM elasticc2_ppdbdiasource"
            " WHERE diasource_id = ANY({given}::bigint[]) UNION SELECT diasource_id, diaobject_id, midpointtai"
            " FROM elasticc2_diasource WHERE diasource_id = ANY({given}::bigint[])"
        ).format(given=given),
        pa.schema([("source", pa.int64()), ("object", pa.int64()), ("mjd", pa.float64())]),
    )
    affected = np.unique(known["object"].to_numpy())
    of_objects = sql.Literal(affected.tolist())
    _make_partitions(connection, of_objects, known["mjd"].to_numpy())
    with connection.transaction():
        if takes:
            connection.execute(
                sql.SQL("DELETE FROM elasticc2_brokersourceids WHERE diasource_id = ANY({}::bigint[])").format(given)
            )
        if not affected.size:
            return Imported(len(listed), len(listed))
        new_objects = _add_objects(connection, of_objects, cells)
        # Like all writers of points, lock the sums of the objects first, in order of their numbers.
        connection.execute(
            sql.SQL(
                "INSERT INTO point_sums AS sums (diaobjectid) SELECT unnest({}::bigint[]) ORDER BY 1"
                " ON CONFLICT (diaobjectid) DO UPDATE SET months = NULL, changes = sums.changes + 1"
            ).format(of_objects)
        )
        sources = _add_sources(connection, given, of_objects)
        connection.execute(
            sql.SQL(
                "UPDATE elasticc2_diaobjectdetails AS details SET latestsourcemjd = newest.mjd FROM"
                " (SELECT diaobject_id, max(midpointtai) AS mjd FROM elasticc2_diasource"
                " WHERE diaobject_id = ANY({}::bigint[]) GROUP BY 1) AS newest"
                " WHERE details.diaobject_id = newest.diaobject_id"
                " AND details.latestsourcemjd IS DISTINCT FROM newest.mjd"
            ).format(of_objects)
        )
        forced = _add_forced(connection, of_objects)
        return Imported(
            len(listed),
            len(listed) - len(np.unique(known["source"].to_numpy())),
            new_objects,
            sources,
            forced,
            update_curves(connection, affected),
            update_classes(connection, affected),
        )


def _make_partitions(connection: psycopg.Connection[Any], of_objects: sql.Literal, times: NDArray[np.float64]) -> None:
    if not times.size:
        return
    row = connection.execute(
        sql.SQL(
            "SELECT min(midpointtai) FROM elasticc2_ppdbdiaforcedsource WHERE diaobject_id = ANY({}::bigint[])"
        ).format(of_objects)
    ).fetchone()
    begin = min(times.min(), row[0]) if row is not None and row[0] is not None else times.min()
    partitions.ensure(
        connection, np.append(np.arange(begin, times.max(), _MONTH), times.max()), tables=(diasources, diaforcedsources)
    )


def _add_objects(connection: psycopg.Connection[Any], of_objects: sql.Literal, cells: Cells) -> int:
    """Add objects that were not reported before; those that the stream already has keep their row."""
    columns = sql.SQL(", ").join(map(sql.Identifier, _DETAILS))
    added = connection.execute(
        sql.SQL(
            "INSERT INTO elasticc2_diaobjectdetails ({columns}) SELECT {columns} FROM elasticc2_ppdbdiaobject"
            " WHERE diaobject_id = ANY({objects}::bigint[]) ORDER BY diaobject_id ON CONFLICT DO NOTHING"
        ).format(columns=columns, objects=of_objects)
    ).rowcount
    # Objects from a dump have no cells yet.
    _place(
        connection,
        sql.SQL(
            "SELECT diaobject_id, coalesce(stored.ra, survey.ra), coalesce(stored.decl, survey.decl)"
            " FROM elasticc2_ppdbdiaobject AS survey LEFT JOIN objects AS stored ON diaobjectid = diaobject_id"
            " WHERE diaobject_id = ANY({}::bigint[]) AND healpix IS NULL ORDER BY 1"
        ).format(of_objects),
        cells,
    )
    return added


def _place(connection: psycopg.Connection[Any], query: sql.Composable, cells: Cells) -> int:
    """Store objects with the cells of their positions, or give stored ones their cells; return how many."""
    schema = pa.schema([("diaobjectid", pa.int64()), ("ra", pa.float64()), ("decl", pa.float64())])
    places = fetch(connection, query, schema)
    if not places.num_rows:
        return 0
    healpix, htm16 = cells(places["ra"].to_numpy(), places["decl"].to_numpy())
    rows = places.append_column("healpix", pa.array(healpix, pa.int64()))
    rows = rows.append_column("htm16", pa.array(htm16, pa.int64()))
    connection.execute("DROP TABLE IF EXISTS pg_temp.tom_places")
    connection.execute(
        "CREATE TEMPORARY TABLE tom_places (diaobjectid bigint, ra float8, decl float8, healpix bigint,"
        " htm16 bigint) ON COMMIT DROP"
    )
    with connection.cursor() as cursor:
        copy.load(cursor, objects, rows, into="tom_places")
    connection.execute(
        sql.SQL(
            "INSERT INTO objects AS stored (diaobjectid, survey, ra, decl, healpix, htm16)"
            " SELECT diaobjectid, {survey}, ra, decl, healpix, htm16 FROM tom_places ORDER BY diaobjectid"
            " ON CONFLICT (diaobjectid) DO UPDATE SET healpix = excluded.healpix, htm16 = excluded.htm16"
            " WHERE stored.healpix IS NULL"
        ).format(survey=sql.Literal(_ELASTICC))
    )
    return int(places.num_rows)


def _place_restored(connection: psycopg.Connection[Any], cells: Cells) -> None:
    """Give objects from a dump the cells of their positions, so that searches by position find them."""
    query = sql.SQL(
        "SELECT diaobjectid, ra, decl FROM objects JOIN elasticc2_diaobjectdetails ON diaobject_id = diaobjectid"
        " WHERE survey = {} AND healpix IS NULL AND ra BETWEEN -360 AND 720 AND abs(decl) <= 90 ORDER BY 1 LIMIT {}"
    ).format(sql.Literal(_ELASTICC), sql.Literal(TOGETHER))
    placed = TOGETHER
    while placed == TOGETHER:
        with connection.transaction():
            placed = _place(connection, query, cells)


def _add_sources(connection: psycopg.Connection[Any], given: sql.Literal, of_objects: sql.Literal) -> int:
    return connection.execute(
        sql.SQL(
            "INSERT INTO diasources (diasourceid, diaobjectid, midpointmjdtai, band, ra, decl, psfflux, psffluxerr,"
            " snr, survey) SELECT diasource_id, diaobject_id, midpointtai, CASE filtername WHEN 'Y' THEN 'y'"
            " ELSE filtername END, ra, decl, psflux, psfluxerr, snr, {survey} FROM elasticc2_ppdbdiasource AS reported"
            " WHERE diasource_id = ANY({given}::bigint[]) AND NOT EXISTS (SELECT FROM diasources AS known"
            " WHERE known.diaobjectid = reported.diaobject_id AND known.diasourceid = reported.diasource_id"
            " AND known.diaobjectid = ANY({objects}::bigint[]) AND survey = {survey} AND reduction = 0)"
            " ORDER BY diaobject_id, midpointtai"
        ).format(given=given, objects=of_objects, survey=sql.Literal(_ELASTICC))
    ).rowcount


def _add_forced(connection: psycopg.Connection[Any], of_objects: sql.Literal) -> int:
    """Forced photometry up to the newest detection of each object."""
    return connection.execute(
        sql.SQL(
            "INSERT INTO diaforcedsources (diaforcedsourceid, diaobjectid, midpointmjdtai, band, psfflux, psffluxerr,"
            " survey) SELECT diaforcedsource_id, point.diaobject_id, midpointtai, CASE filtername WHEN 'Y' THEN 'y'"
            " ELSE filtername END, psflux, psfluxerr, {survey} FROM elasticc2_ppdbdiaforcedsource AS point"
            " JOIN elasticc2_diaobjectdetails AS details ON details.diaobject_id = point.diaobject_id"
            " AND midpointtai <= details.latestsourcemjd WHERE point.diaobject_id = ANY({objects}::bigint[])"
            " AND NOT EXISTS (SELECT FROM diaforcedsources AS known WHERE known.diaobjectid = point.diaobject_id"
            " AND known.diaforcedsourceid = point.diaforcedsource_id AND known.diaobjectid = ANY({objects}::bigint[])"
            " AND survey = {survey} AND reduction = 0) ORDER BY point.diaobject_id, midpointtai"
        ).format(objects=of_objects, survey=sql.Literal(_ELASTICC))
    ).rowcount
