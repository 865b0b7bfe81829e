"""Rows of the survey tables as Arrow tables."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import sqlalchemy as sa
from numpy.typing import ArrayLike
from psycopg import sql

from broker_assets.database.arrow import arrow_type
from broker_assets.database.fetch import fetch
from broker_assets.database.tables import diaforcedsources, diasources

SOURCE_POINTS = ("diaobjectid", "midpointmjdtai", "diasourceid", "band", "psfflux", "psffluxerr", "reliability")
"""Columns of the covering index of `diasources`; other columns require reading the table."""
FORCED_POINTS = ("diaobjectid", "midpointmjdtai", "diaforcedsourceid", "band", "psfflux", "psffluxerr")
"""Columns of the covering index of `diaforcedsources`."""


@dataclass(frozen=True)
class LightCurves:
    """Points of some objects, by object and time."""

    sources: pa.Table
    """Detections: `SOURCE_POINTS`; fluxes nJy, times MJD TAI."""
    forced_sources: pa.Table
    """Forced photometry: `FORCED_POINTS`; fluxes nJy, times MJD TAI."""


def light_curve(
    connection: psycopg.Connection[Any],
    diaobjectid: ArrayLike,
    *,
    since: float | None = None,
    until: float | None = None,
) -> LightCurves:
    """Read the light curves of objects from the covering indexes alone.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    diaobjectid : int or (n,) int64 array
        Objects.
    since, until : float, optional
        Only points at or after, and before, these times, MJD TAI; months outside are not read.

    Returns
    -------
    LightCurves
        Points by object and time; unknown objects have none.
    """
    objects = np.unique(np.atleast_1d(np.asarray(diaobjectid, np.int64)))
    return LightCurves(
        fetch_ordered(connection, light_curve_query(diasources, SOURCE_POINTS, objects, since, until), SOURCE_POINTS),
        fetch_ordered(
            connection,
            light_curve_query(diaforcedsources, FORCED_POINTS, objects, since, until),
            FORCED_POINTS,
            table=diaforcedsources,
        ),
    )


def light_curve_query(
    table: sa.Table,
    columns: Sequence[str],
    diaobjectid: ArrayLike,
    since: float | None = None,
    until: float | None = None,
) -> sql.Composed:
    """Return the query of `light_curve` for one table."""
    wanted = [int(value) for value in np.atleast_1d(np.asarray(diaobjectid, np.int64))]
    conditions: list[sql.Composable] = [sql.SQL("diaobjectid = ANY({}::bigint[])").format(sql.Literal(wanted))]
    if since is not None:
        conditions.append(sql.SQL("midpointmjdtai >= {}::float8").format(sql.Literal(since)))
    if until is not None:
        conditions.append(sql.SQL("midpointmjdtai < {}::float8").format(sql.Literal(until)))
    return select(table, columns, conditions)


def select(table: sa.Table, columns: Sequence[str], conditions: Sequence[sql.Composable]) -> sql.Composed:
    """Compose a SELECT.

    Raises
    ------
    KeyError
        If the table lacks one of the columns.
    """
    unknown = [name for name in columns if name not in table.c]
    if unknown:
        raise KeyError(f"table {table.name} has no column {', '.join(unknown)}")
    return sql.SQL("SELECT {} FROM {} WHERE {}").format(
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.Identifier(table.name),
        sql.SQL(" AND ").join([*conditions]) if conditions else sql.SQL("true"),
    )


def fetch_ordered(
    connection: psycopg.Connection[Any],
    query: sql.Composable,
    columns: Sequence[str],
    *,
    table: sa.Table = diasources,
) -> pa.Table:
    """Fetch columns of a table, ordered by object and time if they are among them."""
    rows = fetch(connection, query, pa.schema([(name, arrow_type(table.c[name].type)) for name in columns]))
    order = [(name, "ascending") for name in ("diaobjectid", "midpointmjdtai") if name in columns]
    return rows.sort_by(order) if order and rows.num_rows else rows


def night_rows(
    connection: psycopg.Connection[Any],
    table: sa.Table,
    night: datetime.date,
    *,
    columns: Sequence[str] | None = None,
    survey: int | None = None,
) -> pa.Table:
    """Read the rows of a table that come from the packets of a night.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    table : Table
        A survey table: one with the columns `night` and `survey`.
    night : date
        Local date of its evening at the observatory.
    columns : sequence of str, optional
        Columns to read; default: all.
    survey : int, optional
        Only rows of this survey, see `broker_assets.database.tables.SURVEYS`.

    Returns
    -------
    pyarrow.Table
        Rows ordered by object and time, if those columns are read.
    """
    wanted = tuple(columns) if columns is not None else tuple(table.c.keys())
    conditions: list[sql.Composable] = [sql.SQL("night = {}").format(sql.Literal(night))]
    if survey is not None:
        conditions.append(sql.SQL("survey = {}").format(sql.Literal(survey)))
    return fetch_ordered(connection, select(table, wanted, conditions), wanted, table=table)


def sources(
    connection: psycopg.Connection[Any],
    *,
    night: datetime.date,
    columns: Sequence[str] = SOURCE_POINTS,
    survey: int | None = None,
    triggers_only: bool = False,
) -> pa.Table:
    """Read the sources of a night.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    night : date
        Local date of its evening at the observatory.
    columns : sequence of str
        Columns of `diasources`.
    survey : int, optional
        Only sources of this survey.
    triggers_only : bool
        Only sources that triggered an alert, not those from a history.
    """
    conditions: list[sql.Composable] = [sql.SQL("night = {}").format(sql.Literal(night))]
    if survey is not None:
        conditions.append(sql.SQL("survey = {}").format(sql.Literal(survey)))
    if triggers_only:
        conditions.append(sql.SQL("archivefileid IS NOT NULL"))
    return fetch_ordered(connection, select(diasources, columns, conditions), columns)
