"""Features of light curves from rows of the cold store, for programs that share the objects out among processes.

Each row of the table `objects` is an object as the last alert of a night left it. Its features follow from the points
that packets had brought by then, by the functions that the stream applies to the packet of that alert.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from broker_assets.database.tables import BANDS, FEATURE_COLUMNS
from broker_assets.lightcurves.alert_json import EXPLOSIVE
from broker_assets.lightcurves.curves import LightCurves, Points
from broker_assets.lightcurves.features import features
from broker_assets.lightcurves.object_features import lengths, stored

FIT_DAYS: Final = 100.0
"""Default of `FeatureSettings.fit_unclassified_days`."""
HISTORY_DAYS: Final = 365.0
"""Days before an alert of which its packet lists points: twelve months (LSE-163)."""
KINDS: Final = ("diasources", "diaforcedsources")
"""Tables of points in the order of their number."""

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
"""Points of some objects, of the reduction of the alerts: `kind` is the number of the table in `KINDS`."""

STATES: Final = pa.schema(
    [
        ("diaobjectid", pa.int64()),
        ("night", pa.date32()),
        ("broughtby", pa.int64()),
        ("lastdiasourcemjdtai", pa.float64()),
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
"""Objects as nights left them, with what they were near to; `broughtby` is the source of the last alert."""

_KEYS: Final = ("diaobjectid", "night", "broughtby")


def features_of_points(
    states: pa.Table, points: pa.Table, *, fit_days: float = FIT_DAYS, history_days: float = HISTORY_DAYS
) -> pa.Table:
    """Features of objects as nights left them.

    Parameters
    ----------
    states : Table
        `STATES`, in any order.
    points : Table
        `POINTS`, in any order; all points of each object in `states`.
    fit_days : float
        See `object_features.ObjectFeatures`.
    history_days : float
        Days before an alert of which its packet lists points.

    Returns
    -------
    Table
        `diaobjectid`, `night`, `diasourceid` and the columns of features, by object and night. They are those of
        `object_features` for the last alert of the night, up to the rounding of the stored E(B−V).
    """
    states = states.sort_by([("diaobjectid", "ascending"), ("night", "ascending")])
    until = _floats(states, "lastdiasourcemjdtai")
    owner, rows = _listed(states["diaobjectid"].to_numpy(), until, points, history_days)
    kind = points["kind"].to_numpy()[rows]
    mjd, flux, reliability = (_floats(points, name)[rows] for name in ("midpointmjdtai", "flux", "reliability"))
    band = pc.fill_null(pc.index_in(points["band"], pa.array(BANDS)), -1).to_numpy().astype(np.int8)[rows]
    parts = [
        Points.of(states.num_rows, owner[of], mjd[of], flux[of], band[of], reliability[of])
        for of in (kind == number for number in range(len(KINDS)))
    ]
    first = _floats(states, "firstdiasourcemjdtai")
    classified = pc.is_valid(states["classification"]).to_numpy()
    explosive = np.asarray(pc.is_in(states["classification"], value_set=pa.array(EXPLOSIVE)))
    curves = LightCurves.of(*parts).with_(
        ra=_floats(states, "ra"),
        dec=_floats(states, "decl"),
        ebv=_floats(states, "ebv"),
        explosive=np.where(classified, explosive, lengths(parts[0], first) < fit_days),
        distance=_floats(states, "best_distance"),
        redshift=_floats(states, "z"),
        photometric_redshift=_floats(states, "photoz"),
        first_mjd=first,
    )
    found = features(curves)
    columns = {"diasourceid" if name == "broughtby" else name: states[name] for name in _KEYS}
    columns |= {name: stored(found[name], name) for name in FEATURE_COLUMNS}
    return pa.table(columns)


def _listed(
    objects: NDArray[np.int64], until: NDArray[np.float64], points: pa.Table, history_days: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """State and row of each point that the packet of a state's alert lists."""
    known = points["diaobjectid"].to_numpy()
    order = np.argsort(known, kind="stable")
    begins, ends = (np.searchsorted(known[order], objects, side) for side in ("left", "right"))
    counts = ends - begins
    owner = np.repeat(np.arange(len(objects)), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    rows = order[np.repeat(begins, counts) + within]
    time, brought, withdrawn = (
        _floats(points, name)[rows] for name in ("midpointmjdtai", "broughtbymjdtai", "timewithdrawnmjdtai")
    )
    end = until[owner]
    # What was withdrawn later was listed then; a point without a packet of its own was brought when it was measured.
    chosen = (time <= end) & (time >= end - history_days)
    chosen &= ~(np.where(np.isnan(brought), time, brought) > end) & ~(withdrawn <= end)
    return owner[chosen], rows[chosen]


def _floats(rows: pa.Table, name: str) -> NDArray[np.float64]:
    return np.asarray(pc.fill_null(rows[name].cast(pa.float64()), np.nan).to_numpy(), np.float64)
