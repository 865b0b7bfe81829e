"""Statistics of light curves that classifiers use: groups of columns with formula, source and code version.

Lasair's features are in `features`; they are computed from the packet of an alert. Statistics are computed from the
stored light curve, by band and over bands. Raising the version of a group makes the statistics of all nights, and what
is derived from them, stale.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from broker_assets.database.arrow import arrow_schema
from broker_assets.database.tables import object_statistics
from broker_assets.lightcurves import bazin, distributions, periodograms
from broker_assets.lightcurves.distributions import rows_of
from broker_assets.lightcurves.joined_curves import JoinedCurves
from broker_assets.lightcurves.photometry import BANDS

OVER_BANDS: Final = "all"
"""Band of the row of all bands together."""


@dataclass(frozen=True)
class Group:
    """Statistics that are computed together."""

    name: str
    version: str
    """Version of its code."""
    columns: tuple[str, ...]
    """SQL names, in the order of the array that `compute` gives."""
    compute: Callable[[JoinedCurves, NDArray[np.int64], NDArray[np.int8]], NDArray[np.float64]]
    source: str


GROUPS: Final = (
    Group(
        "distribution",
        distributions.DISTRIBUTION_VERSION,
        distributions.NAMES,
        distributions.distributions,
        "Malanchev et al. 2021, MNRAS 502, 5147; D'Isanto et al. 2016, MNRAS 457, 3119; Kim et al. 2014, A&A 566, A43; "
        "Stetson 1996, PASP 108, 851; Enoch et al. 2003, AJ 126, 1006; Sánchez-Sáez et al. 2021, AJ 161, 141",
    ),
    Group(
        "periodogram",
        periodograms.PERIODOGRAM_VERSION,
        periodograms.NAMES,
        periodograms.periodograms,
        "Lomb 1976, Ap&SS 39, 447; Scargle 1982, ApJ 263, 835",
    ),
    Group("bazin", bazin.BAZIN_VERSION, bazin.NAMES, bazin.bazin_fits, "Bazin et al. 2009, A&A 499, 653"),
)
"""All groups, in the order in which they are computed."""

STATISTICS_VERSION: Final = ", ".join(f"{group.name} {group.version}" for group in GROUPS)
"""Version of the code of all statistics."""

SCHEMA: Final = arrow_schema(object_statistics, without=("diaobjectid", "night", "diasourceid"))
"""Columns of `statistics` but the first, `object`; types as in the database."""


def statistics(curves: JoinedCurves) -> pa.Table:
    """Every statistic of a batch of light curves, by band and over bands.

    Parameters
    ----------
    curves : JoinedCurves
        Light curves of n objects.

    Returns
    -------
    pyarrow.Table
        `object` (int64, place in the batch) and `SCHEMA`: for each object a row for each band in which it has points,
        and one, `OVER_BANDS`, for all. Null where a statistic is not defined or not finite.

    Examples
    --------
    >>> from broker_assets.lightcurves.joined_curves import Columns
    >>> flux = [10.0, 30.0, 20.0, 40.0]
    >>> curves = JoinedCurves.of(1, Columns([0] * 4, [1.0, 2.0, 3.0, 4.0], flux, [1.0] * 4, [1, 1, 2, 2]))
    >>> for row in statistics(curves).to_pylist():
    ...     print(row["band"], row["npoints"], row["weightedmean"], row["amplitude"])
    g 2 20.0 10.0
    r 2 30.0 10.0
    all 4 None 10.0
    """
    owner, band = rows_of(curves)
    columns: dict[str, Any] = {
        "object": pa.array(owner),
        "band": pa.array([*BANDS, OVER_BANDS]).take(pa.array(band)),
    }
    for group in GROUPS:
        values = group.compute(curves, owner, band)
        for place, name in enumerate(group.columns):
            columns[name] = _column(values[:, place], SCHEMA.field(name).type)
    names = ["object", *SCHEMA.names]
    return pa.table([columns[name] for name in names], names=names)


def _column(values: NDArray[np.float64], kind: pa.DataType) -> pa.Array:
    with np.errstate(over="ignore"):
        finite = np.isfinite(values.astype(kind.to_pandas_dtype()) if pa.types.is_floating(kind) else values)
    return pa.array(np.where(finite, values, 0.0).astype(kind.to_pandas_dtype()), kind, mask=~finite)
