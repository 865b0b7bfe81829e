"""Light curves of objects as Arrow tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from broker_assets.database.tables import PROVENANCE, diaforcedsources, diasources

POINTS: Mapping[sa.Table, tuple[str, ...]] = {
    diasources: ("diaobjectid", "midpointmjdtai", "diasourceid", "band", "psfflux", "psffluxerr", "reliability"),
    diaforcedsources: ("diaobjectid", "midpointmjdtai", "diaforcedsourceid", "band", "psfflux", "psffluxerr"),
}
"""Columns of the covering indices; other columns require reading the tables."""


@dataclass(frozen=True)
class LightCurves:
    """Points of some objects, by object and time."""

    sources: pa.Table
    """Detections: fluxes nJy, times MJD TAI."""
    forced_sources: pa.Table
    """Forced photometry: fluxes nJy, times MJD TAI."""


def light_curve(
    connection: psycopg.Connection[Any],
    diaobjectid: ArrayLike,
    *,
    full: bool = False,
    since: float | None = None,
    until: float | None = None,
) -> LightCurves:
    """Read the light curves of objects, from the covering indices alone unless all columns are asked for.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    diaobjectid : int or (n,) int64 array
        Objects.
    full : bool
        All columns of the points but those of provenance, instead of `POINTS`.
    since, until : float, optional
        Only points at or after, and before, these times, MJD TAI; months outside are not read.

    Returns
    -------
    LightCurves
        Points by object and time; unknown objects have none.
    """
    wanted = np.unique(np.atleast_1d(np.asarray(diaobjectid, np.int64)))

    def points(table: sa.Table) -> pa.Table:
        columns = [name for name in table.c.keys() if name not in PROVENANCE] if full else POINTS[table]  # noqa: SIM118
        schema = pa.schema([(name, arrow_type(table.c[name].type)) for name in columns])
        rows = fetch(connection, light_curve_query(table, columns, wanted, since, until), schema)
        return rows.sort_by([("diaobjectid", "ascending"), ("midpointmjdtai", "ascending")]) if rows.num_rows else rows

    return LightCurves(points(diasources), points(diaforcedsources))


def light_curve_query(
    table: sa.Table,
    columns: Sequence[str],
    diaobjectid: ArrayLike,
    since: float | None = None,
    until: float | None = None,
) -> sql.Composed:
    """Return the query of `light_curve` for one table."""
    wanted = [int(value) for value in np.atleast_1d(np.asarray(diaobjectid, np.int64))]
    conditions: list[sql.Composable] = [
        sql.SQL("diaobjectid = ANY({}::bigint[]) AND reduction = 0").format(sql.Literal(wanted))
    ]
    if since is not None:
        conditions.append(sql.SQL("midpointmjdtai >= {}::float8").format(sql.Literal(since)))
    if until is not None:
        conditions.append(sql.SQL("midpointmjdtai < {}::float8").format(sql.Literal(until)))
    return sql.SQL("SELECT {} FROM {} WHERE {}").format(
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.Identifier(table.name),
        sql.SQL(" AND ").join(conditions),
    )
