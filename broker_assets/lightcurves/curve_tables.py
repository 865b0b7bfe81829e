"""Light curves of many objects as one table: detections, forced photometry and limits, as of any moment.

The table has a row for each point. `kind` says what the point is; a limit has `diaNoise` and no flux.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import psycopg
import pyarrow as pa
import sqlalchemy as sa
from numpy.typing import ArrayLike
from psycopg import sql

from broker_assets.database.arrow import arrow_type
from broker_assets.database.border import TIME, Conditions, Test, one_of
from broker_assets.database.border_sql import MOST_BEYOND, across
from broker_assets.database.fetch import fetch_grouped
from broker_assets.database.reductions import ALERTS, points
from broker_assets.database.table_formats import field
from broker_assets.database.tables import SURVEYS, diaforcedsources, dianondetectionlimits, diasources

KINDS: Final[dict[str, tuple[sa.Table, tuple[str, ...], str]]] = {
    "detections": (
        diasources,
        ("diaobjectid", "midpointmjdtai", "diasourceid", "band", "psfflux", "psffluxerr", "reliability"),
        "detection",
    ),
    "forced": (
        diaforcedsources,
        ("diaobjectid", "midpointmjdtai", "diaforcedsourceid", "band", "psfflux", "psffluxerr"),
        "forced",
    ),
    "limits": (dianondetectionlimits, ("diaobjectid", "midpointmjdtai", "band", "dianoise"), "limit"),
}
"""What can be asked for: table, columns of its covering index, and name in the table of points."""
FEW: Final = 5
"""Up to this number, objects are read in one prepared statement."""
_AS_OF: Final = (
    "midpointmjdtai <= {0}::float8 AND broughtbymjdtai <= {0}::float8"
    " AND (timewithdrawnmjdtai IS NULL OR timewithdrawnmjdtai > {0}::float8)"
)
TOGETHER: Final = 500
"""Objects that are read at a time."""

SCHEMA: Final = pa.schema(
    [
        field("diaObjectId", pa.int64(), description="identifier of the object", ucd="meta.id;meta.main"),
        field("survey", pa.string(), description="survey of the object", datatype="char"),
        field("kind", pa.string(), description="detection, forced or limit", datatype="char"),
        field("id", pa.int64(), description="diaSourceId or diaForcedSourceId; none of limits", ucd="meta.id"),
        field(
            "midpointMjdTai", pa.float64(), unit="d", description="middle of the exposure, MJD TAI", ucd="time.epoch"
        ),
        field("band", pa.string(), description="band", ucd="meta.id;instr.bandpass", datatype="char"),
        field("psfFlux", pa.float32(), unit="nJy", description="difference or forced flux", ucd="phot.flux"),
        field("psfFluxErr", pa.float32(), unit="nJy", description="its uncertainty", ucd="stat.error;phot.flux"),
        field("reliability", pa.float32(), description="score of the survey, of detections"),
        field("diaNoise", pa.float32(), unit="nJy", description="five-sigma limiting flux, of limits"),
    ]
)
"""The table of points."""
_NAMES: Final = {code: name for name, code in SURVEYS.items()}


def known_objects(connection: psycopg.Connection[Any], identifiers: Sequence[int]) -> dict[int, int]:
    """Survey code of each object that exists."""
    rows = connection.execute(
        "SELECT diaobjectid, survey FROM objects WHERE diaobjectid = ANY(%s)", (list(identifiers),)
    )
    return {int(identifier): int(survey) for identifier, survey in rows}


def curve_table(
    connection: psycopg.Connection[Any],
    survey: Mapping[int, int],
    *,
    kinds: Collection[str] = ("detections", "forced", "limits"),
    as_of: float | None = None,
    since: float | None = None,
    until: float | None = None,
    reductions: Mapping[str, Mapping[int, int]] | None = None,
) -> pa.Table:
    """Points of some objects, by object and time.

    Parameters
    ----------
    connection : psycopg.Connection
        To read with.
    survey : mapping of int to int
        Survey code of each object, see `known_objects`.
    kinds : collection of str
        Some of `KINDS`.
    as_of : float, optional
        MJD TAI. Only points in packets of exposures up to this time, without those that the survey had withdrawn by
        then.
    since, until : float, optional
        Only points at or after, and before, these times, MJD TAI.
    reductions : mapping, optional
        For each kind, the reductions to read with their priorities, see `database.reductions.points`. Default: the
        points that alerts carry.

    Returns
    -------
    pyarrow.Table
        With `SCHEMA`.
    """
    wanted = np.array(sorted(survey), np.int64)
    if len(wanted) <= FEW and reductions is None:
        return _few(connection, survey, kinds, as_of, since, until)
    parts = [
        _points(connection, kind, wanted, survey, as_of, since, until, (reductions or {}).get(kind, ALERTS))
        for kind in KINDS
        if kind in kinds and len(wanted)
    ]
    if not parts:
        return SCHEMA.empty_table()
    joined = pa.concat_tables(parts)
    return joined.sort_by([("diaObjectId", "ascending"), ("midpointMjdTai", "ascending"), ("kind", "ascending")])


def _few(
    connection: psycopg.Connection[Any],
    survey: Mapping[int, int],
    kinds: Collection[str],
    as_of: float | None,
    since: float | None,
    until: float | None,
) -> pa.Table:
    """`curve_table` for few objects, in one prepared statement: planning over all months is slower than reading."""
    parts: list[str] = []
    for kind, (table, columns, name) in KINDS.items():
        if kind in kinds:
            flux = "psfflux, psffluxerr" if kind != "limits" else "NULL::real, NULL::real"
            conditions = ["diaobjectid = ANY(%(ids)s::bigint[]) AND reduction = 0"]
            if as_of is not None:
                conditions.append(_AS_OF.replace("{0}", "%(as_of)s"))
            if since is not None:
                conditions.append("midpointmjdtai >= %(since)s::float8")
            if until is not None:
                conditions.append("midpointmjdtai < %(until)s::float8")
            parts.append(
                f"SELECT diaobjectid, '{name}', {columns[2] if kind != 'limits' else 'NULL::bigint'}, midpointmjdtai,"  # noqa: S608
                f" band, {flux}, {'reliability' if kind == 'detections' else 'NULL::real'},"
                f" {'dianoise' if kind == 'limits' else 'NULL::real'} FROM {table.name}"
                f" WHERE {' AND '.join(conditions)}"
            )
    if not parts or not survey:
        return SCHEMA.empty_table()
    values = {"ids": sorted(survey), "as_of": as_of, "since": since, "until": until}
    statement = " UNION ALL ".join(parts) + " ORDER BY 1, 4, 2"
    conditions_of = _conditions(sorted(survey), since, until)
    chosen = {KINDS[kind][0]: conditions_of for kind in KINDS if kind in kinds}
    whole = across(connection, statement, chosen, has_values=True)
    rows = connection.execute(whole, values, prepare=whole is statement).fetchall()  # type: ignore[call-overload]
    found = [(row[0], _NAMES.get(survey[row[0]]), *row[1:]) for row in rows]
    columns_of = list(zip(*found, strict=True)) if found else [()] * len(SCHEMA)
    arrays = [pa.array(values_of, item.type) for values_of, item in zip(columns_of, SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def curve_tables(
    connection: psycopg.Connection[Any], survey: Mapping[int, int], *, together: int = TOGETHER, **options: Any
) -> Iterator[pa.Table]:
    """`curve_table` for many objects, `together` at a time; see there for the options."""
    identifiers = sorted(survey)
    for begin in range(0, len(identifiers), together):
        chosen = identifiers[begin : begin + together]
        yield curve_table(connection, {one: survey[one] for one in chosen}, **options)


def _points(
    connection: psycopg.Connection[Any],
    kind: str,
    wanted: np.ndarray[Any, np.dtype[np.int64]],
    survey: Mapping[int, int],
    as_of: float | None,
    since: float | None,
    until: float | None,
    reductions: Mapping[int, int],
) -> pa.Table:
    table, columns, name = KINDS[kind]
    schema = pa.schema([(column, arrow_type(table.c[column].type)) for column in columns])
    query = point_query(table, columns, wanted, as_of=as_of, since=since, until=until, reductions=reductions)
    whole = across(connection, query, {table: _conditions(wanted, since, until)}, most=MOST_BEYOND)
    rows = fetch_grouped(connection, whole, schema, by="diaobjectid")  # type: ignore[arg-type]
    if not rows.num_rows:
        return SCHEMA.empty_table()
    names = pa.array([_NAMES.get(survey[int(one)]) for one in wanted], pa.string())
    found = {
        "diaObjectId": rows["diaobjectid"],
        "survey": names.take(pa.array(np.searchsorted(wanted, rows["diaobjectid"].to_numpy()))),
        "kind": pa.repeat(name, rows.num_rows),
        "id": rows[columns[2]] if kind != "limits" else None,
        "midpointMjdTai": rows["midpointmjdtai"],
        "band": rows["band"],
        "psfFlux": rows["psfflux"] if kind != "limits" else None,
        "psfFluxErr": rows["psffluxerr"] if kind != "limits" else None,
        "reliability": rows["reliability"] if kind == "detections" else None,
        "diaNoise": rows["dianoise"] if kind == "limits" else None,
    }
    arrays = [
        pa.nulls(rows.num_rows, item.type) if found[item.name] is None else _whole(found[item.name]).cast(item.type)
        for item in SCHEMA
    ]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _conditions(diaobjectid: ArrayLike, since: float | None, until: float | None) -> Conditions:
    found: list[list[Test]] = [[("diaobjectid", "in", np.asarray(diaobjectid, np.int64))]]
    found += [[(TIME, ">=", since)]] if since is not None else []
    found += [[(TIME, "<", until)]] if until is not None else []
    return found


def _whole(column: Any) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def point_query(
    table: sa.Table,
    columns: Sequence[str],
    diaobjectid: ArrayLike,
    *,
    as_of: float | None = None,
    since: float | None = None,
    until: float | None = None,
    reductions: Mapping[int, int] = ALERTS,
) -> sql.Composed:
    """The query of `curve_table` for one table of points.

    Parameters
    ----------
    table : Table
        Table of points.
    columns : sequence of str
        Its columns, in this order.
    diaobjectid : (n,) int array, or int
        Objects.
    as_of, since, until : float, optional
        MJD TAI, days; see `curve_table`.
    reductions : mapping of int to int
        Priority of each reduction of which points count.
    """
    wanted = [int(value) for value in np.atleast_1d(np.asarray(diaobjectid, np.int64))]
    conditions: list[sql.Composable] = [sql.SQL("diaobjectid = ANY({})").format(one_of(wanted))]
    if as_of is not None:
        moment = sql.Literal(as_of)
        conditions.append(sql.SQL(_AS_OF).format(moment))
    for bound, condition in ((since, "midpointmjdtai >= {}::float8"), (until, "midpointmjdtai < {}::float8")):
        if bound is not None:
            conditions.append(sql.SQL(condition).format(sql.Literal(bound)))
    return points(table.name, columns, sql.SQL(" AND ").join(conditions), reductions)
