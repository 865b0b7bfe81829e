"""Stored light curves of objects: detections, forced photometry and limits, read for many objects in three queries."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from numpy.typing import NDArray

from broker_assets.database import border
from broker_assets.database.tables import BANDS, diaforcedsources, dianondetectionlimits, diasources
from broker_assets.lightcurves.joined_curves import Columns, JoinedCurves

_COLUMNS: Final[Mapping[sa.Table, tuple[str, str]]] = {
    diasources: ("psfflux", "psffluxerr"),
    diaforcedsources: ("psfflux", "psffluxerr"),
    dianondetectionlimits: ("dianoise", "dianoise"),
}
"""Columns of flux and uncertainty."""
_BANDS: Final = pa.array(BANDS)
_EPOCH: Final = datetime.date(1858, 11, 17)
"""MJD 0."""
_LATEST_NOON: Final = 20.0 / 24.0 + 0.001
"""Days: noon in UTC at the westernmost observatory, and the amount by which TAI is ahead of UTC."""


def night_end(night: datetime.date) -> float:
    """A time, MJD TAI, before which every night of this date has ended.

    Examples
    --------
    >>> night_end(datetime.date(2023, 2, 24))
    60000.8343...
    """
    return (night - _EPOCH).days + 1 + _LATEST_NOON


def stored_curves(
    connection: psycopg.Connection[Any], diaobjectid: NDArray[np.int64], *, night: datetime.date | None = None
) -> JoinedCurves:
    """Read light curves.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    diaobjectid : (n,) int64 array
        Objects, ascending, each once.
    night : date, optional
        Only points in packets of this night or earlier ones, without those that the survey had withdrawn by the end of
        the night. Default: all that are not withdrawn.

    Returns
    -------
    JoinedCurves
        Of n objects, in the order given.

    Notes
    -----
    A point that only a packet of a later night provided is left out even if it was measured earlier, so that computing
    a night again gives the same result.
    """
    parts = [_points(connection, table, diaobjectid, night) for table in _COLUMNS]
    return JoinedCurves.of(len(diaobjectid), *parts)


def _points(
    connection: psycopg.Connection[Any], table: sa.Table, diaobjectid: NDArray[np.int64], night: datetime.date | None
) -> Columns:
    flux, error = _COLUMNS[table]
    names = ["diaobjectid", "midpointmjdtai", flux, *([error] if error != flux else []), "band"]
    withdrawn: list[border.Test] = [("timewithdrawnmjdtai", "is null", None)]
    conditions: list[list[border.Test]] = [[("diaobjectid", "in", diaobjectid)], [("reduction", "=", 0)], withdrawn]
    if night is not None:
        end = night_end(night)
        withdrawn.append(("timewithdrawnmjdtai", ">=", end))
        conditions += [[("midpointmjdtai", "<", end)], [("night", "<=", night), ("night", "is null", None)]]
    rows = border.rows(connection, table, names, conditions)
    values = {name: _floats(rows[name]) for name in ("midpointmjdtai", flux, error)}
    return Columns(
        np.searchsorted(diaobjectid, rows["diaobjectid"].to_numpy()),
        values["midpointmjdtai"],
        values[flux],
        values[error],
        pc.fill_null(pc.index_in(rows["band"], _BANDS), -1).to_numpy().astype(np.int8),
    )


def _floats(column: pa.ChunkedArray) -> NDArray[np.float64]:
    return np.asarray(pc.fill_null(column.cast(pa.float64()), np.nan).to_numpy(), np.float64)
