"""Light curves of objects as Arrow tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import sqlalchemy as sa
from numpy.typing import ArrayLike

from broker_assets.database import border
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
    """Read the light curves of objects, from the covering indices alone unless all columns are requested.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    diaobjectid : int or (n,) int64 array
        Objects.
    full : bool
        All columns of the points except those of provenance, instead of `POINTS`.
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
        found = border.rows(connection, table, columns, conditions(wanted, since, until))
        return found.sort_by([("diaobjectid", "ascending"), (border.TIME, "ascending")]) if found.num_rows else found

    return LightCurves(points(diasources), points(diaforcedsources))


def conditions(diaobjectid: ArrayLike, since: float | None = None, until: float | None = None) -> border.Conditions:
    """What `light_curve` asks of the points of objects, between two times."""
    found: list[list[border.Test]] = [
        [("diaobjectid", "in", [int(value) for value in np.atleast_1d(np.asarray(diaobjectid, np.int64))])],
        [("reduction", "=", 0)],
    ]
    if since is not None:
        found.append([(border.TIME, ">=", since)])
    if until is not None:
        found.append([(border.TIME, "<", until)])
    return found
