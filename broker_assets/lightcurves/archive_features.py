"""Features of light curves from rows of the cold store, for programs that distribute objects over processes.

The features of an alert are computed from the points that packets had provided by then, with the functions that the
stream applies to the packet of that alert.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from broker_assets.database.tables import BANDS, FEATURE_COLUMNS
from broker_assets.lightcurves.alert_json import EXPLOSIVE
from broker_assets.lightcurves.curves import LightCurves, Points
from broker_assets.lightcurves.dust import DustMap, read_dust_map
from broker_assets.lightcurves.features import features
from broker_assets.lightcurves.object_features import lengths, stored
from broker_assets.packets.surveys import ADAPTERS

KINDS: Final = ("diasources", "diaforcedsources")
"""Tables of points; the `kind` of a point is the place of its table here."""

POINTS: Final = pa.schema(
    [
        ("diaobjectid", pa.int64()),
        ("kind", pa.int32()),
        ("midpointmjdtai", pa.float64()),
        ("flux", pa.float64()),
        ("band", pa.string()),
        ("reliability", pa.float64()),
        ("broughtbymjdtai", pa.float64()),
        ("timewithdrawnmjdtai", pa.float64()),
    ]
)
"""Points of some objects, of the reduction that alerts carry; `kind` is the place of the table in `KINDS`."""

ALERTS: Final = pa.schema(
    [
        ("diaobjectid", pa.int64()),
        ("diasourceid", pa.int64()),
        ("night", pa.date32()),
        ("survey", pa.int32()),
        ("midpointmjdtai", pa.float64()),
        ("firstdiasourcemjdtai", pa.float64()),
        ("ra", pa.float64()),
        ("decl", pa.float64()),
        ("ebv", pa.float64()),
        ("classification", pa.string()),
        ("best_distance", pa.float64()),
        ("z", pa.float64()),
        ("photoz", pa.float64()),
    ]
)
"""Alerts by the source that triggered them, with what was known about their objects then: the survey's time of the
first source, the position of the object, E(B−V), and its sky context."""

MOST: Final = 2_000_000
"""Points that are processed at a time, each once for every alert that lists it; bounds memory, not the result."""

_KEYS: Final = ("diaobjectid", "diasourceid", "night")
_HISTORY: Final = {adapter.survey_code: adapter.HISTORY_DAYS for adapter in ADAPTERS.values()}


def features_of_points(
    alerts: pa.Table, points: pa.Table, *, fit_days: float, dust: DustMap | None = None, most: int = MOST
) -> pa.Table:
    """Features of alerts.

    Parameters
    ----------
    alerts : Table
        `ALERTS`, in any order.
    points : Table
        `POINTS`, in any order; all points of each object in `alerts`.
    fit_days : float
        See `object_features.ObjectFeatures`.
    dust : DustMap, optional
        Gives E(B−V) at the positions of alerts that have none.
    most : int
        Points that are listed at a time.

    Returns
    -------
    Table
        `diaobjectid`, `diasourceid`, `night` and the columns of features, by object and time. They are those of the
        table `object_features`, up to the rounding of the stored E(B−V).
    """
    order = [("diaobjectid", "ascending"), ("midpointmjdtai", "ascending"), ("diasourceid", "ascending")]
    alerts, points = alerts.sort_by(order), points.sort_by("diaobjectid")
    known = points["diaobjectid"].to_numpy()
    begins, ends = (np.searchsorted(known, alerts["diaobjectid"].to_numpy(), side) for side in ("left", "right"))
    return pa.concat_tables(
        _features(alerts.slice(low, high - low), points, begins[low:high], ends[low:high], fit_days, dust)
        for low, high in _parts(ends - begins, most)
    )


@functools.cache
def dust_map(files: tuple[str, ...], scale: float, column: str | None) -> DustMap:
    """The map of `read_dust_map`, read once in each process."""
    return read_dust_map(files, scale=scale, column=column)


def _parts(counts: NDArray[np.int64], most: int) -> Iterator[tuple[int, int]]:
    """Ranges of alerts that together list about `most` points; at least one range, which may be empty."""
    number = np.cumsum(counts) // most
    cuts = np.flatnonzero(np.diff(number)) + 1
    edges = [0, *cuts.tolist(), len(counts)]
    return itertools.pairwise(edges)


def _features(
    alerts: pa.Table,
    points: pa.Table,
    begins: NDArray[np.int64],
    ends: NDArray[np.int64],
    fit_days: float,
    dust: DustMap | None,
) -> pa.Table:
    owner, rows = _listed(alerts, points, begins, ends)
    kind = points["kind"].to_numpy()[rows]
    mjd, flux, reliability = (_floats(points, name)[rows] for name in ("midpointmjdtai", "flux", "reliability"))
    band = pc.fill_null(pc.index_in(points["band"], pa.array(BANDS)), -1).to_numpy().astype(np.int8)[rows]
    parts = [
        Points.of(alerts.num_rows, owner[of], mjd[of], flux[of], band[of], reliability[of])
        for of in (kind == number for number in range(len(KINDS)))
    ]
    first = _floats(alerts, "firstdiasourcemjdtai")
    classified = pc.is_valid(alerts["classification"]).to_numpy()
    explosive = np.asarray(pc.is_in(alerts["classification"], value_set=pa.array(EXPLOSIVE)))
    ra, dec, ebv = (_floats(alerts, name) for name in ("ra", "decl", "ebv"))
    if dust is not None:
        ebv = np.where(np.isfinite(ebv), ebv, dust.ebv(ra, dec))
    curves = LightCurves.of(*parts).with_(
        ra=ra,
        dec=dec,
        ebv=ebv,
        explosive=np.where(classified, explosive, lengths(parts[0], first) < fit_days),
        distance=_floats(alerts, "best_distance"),
        redshift=_floats(alerts, "z"),
        photometric_redshift=_floats(alerts, "photoz"),
        first_mjd=first,
    )
    found = features(curves)
    columns = {name: alerts[name] for name in _KEYS}
    columns |= {name: stored(found[name], name) for name in FEATURE_COLUMNS}
    return pa.table(columns)


def _listed(
    alerts: pa.Table, points: pa.Table, begins: NDArray[np.int64], ends: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Alert and row of each point that the packet of an alert lists."""
    counts = ends - begins
    owner = np.repeat(np.arange(len(counts)), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    rows = np.repeat(begins, counts) + within
    time, brought, withdrawn = (
        _floats(points, name)[rows] for name in ("midpointmjdtai", "broughtbymjdtai", "timewithdrawnmjdtai")
    )
    history = np.array([_HISTORY[survey] for survey in alerts["survey"].to_pylist()], np.float64)[owner]
    end = _floats(alerts, "midpointmjdtai")[owner]
    # A point that was withdrawn later was still listed. One without a packet of its own counts from its measurement on.
    chosen = (time <= end) & (time >= end - history)
    chosen &= ~(np.where(np.isnan(brought), time, brought) > end) & ~(withdrawn <= end)
    return owner[chosen], rows[chosen]


def _floats(rows: pa.Table, name: str) -> NDArray[np.float64]:
    return np.asarray(pc.fill_null(rows[name].cast(pa.float64()), np.nan).to_numpy(), np.float64)
