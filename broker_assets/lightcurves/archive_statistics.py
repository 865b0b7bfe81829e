"""Statistics of light curves from rows of the cold store, for programs that distribute objects over processes."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from broker_assets.database.number_arrays import distinct
from broker_assets.database.tables import BANDS
from broker_assets.lightcurves.joined_curves import Columns, JoinedCurves
from broker_assets.lightcurves.statistics import statistics

KINDS: Final = {
    "diasources": ("psfflux", "psffluxerr"),
    "diaforcedsources": ("psfflux", "psffluxerr"),
    "dianondetectionlimits": ("dianoise", "dianoise"),
}
"""Tables of points with their columns of flux and uncertainty; the `kind` of a point is the place of its table here."""

POINTS: Final = pa.schema(
    [
        ("diaobjectid", pa.int64()),
        ("kind", pa.int32()),
        ("midpointmjdtai", pa.float64()),
        ("flux", pa.float64()),
        ("error", pa.float64()),
        ("band", pa.string()),
    ]
)
"""Points of some objects; `kind` is the place of the table in `KINDS`."""


def statistics_of_points(points: pa.Table) -> pa.Table:
    """Statistics of all objects that have points in a table.

    Parameters
    ----------
    points : Table
        `POINTS`, in any order; all points of each object that count: those of the reduction that alerts carry, not
        withdrawn.

    Returns
    -------
    Table
        `diaobjectid` and the columns of `statistics.statistics`, by object and band.
    """
    owner = points["diaobjectid"].to_numpy()
    objects = distinct(owner)
    place = np.searchsorted(objects, owner)
    kind = points["kind"].to_numpy()
    band = pc.fill_null(pc.index_in(points["band"], pa.array(BANDS)), -1).to_numpy().astype(np.int8)
    mjd, flux, error = (
        pc.fill_null(points[name], np.nan).to_numpy().astype(np.float64) for name in ("midpointmjdtai", "flux", "error")
    )
    parts = [
        Columns(place[chosen], mjd[chosen], flux[chosen], error[chosen], band[chosen])
        for chosen in (kind == number for number in range(len(KINDS)))
    ]
    rows = statistics(JoinedCurves.of(len(objects), *parts))
    identifiers = pa.array(objects[rows["object"].to_numpy()])
    return rows.drop_columns(["object"]).add_column(0, "diaobjectid", identifiers)
