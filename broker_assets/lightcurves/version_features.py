"""Features of stored light curves in a version of the processing, computed when they are asked for.

The functions are those of the features of alerts. Facts of alerts, and the columns of `objects`, are always computed
from the alerts themselves; here the light curve is that of other reductions, as it is stored now. Position and context
are those of the newest alert.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import numpy as np
import psycopg
import pyarrow as pa
from numpy.typing import NDArray
from psycopg import sql

from broker_assets.database.fetch import fetch
from broker_assets.database.point_identity import TENTHS_OF_A_SECOND
from broker_assets.database.reductions import ALERTS
from broker_assets.database.tables import object_features
from broker_assets.lightcurves.alert_json import EXPLOSIVE
from broker_assets.lightcurves.curve_tables import SCHEMA, curve_table
from broker_assets.lightcurves.curves import LightCurves, Points
from broker_assets.lightcurves.dust import DustMap
from broker_assets.lightcurves.features import features
from broker_assets.lightcurves.object_features import ObjectFeatures
from broker_assets.lightcurves.photometry import band_codes
from broker_assets.settings import FeatureSettings

_KNOWN: Final = pa.schema(
    [
        ("ra", pa.float64()),
        ("dec", pa.float64()),
        ("classification", pa.string()),
        ("best_distance", pa.float64()),
        ("z", pa.float64()),
        ("photoz", pa.float64()),
    ]
)


@lru_cache(maxsize=4)
def _dust(files: tuple[str, ...], scale: float, column: str | None) -> DustMap:
    from pathlib import Path

    return ObjectFeatures(tuple(Path(name) for name in files), scale, column).dust


def version_features(
    connection: psycopg.Connection[Any],
    identifier: int,
    members: Mapping[int, int],
    reductions: Mapping[str, Mapping[int, int]] | None,
    settings: FeatureSettings,
) -> pa.Table:
    """Features of the light curve of an object in a version.

    Parameters
    ----------
    connection : psycopg.Connection
        To read with.
    identifier : int
        The object whose position and sky context are used.
    members : mapping of int to int
        The objects whose points make up the light curve, all those of its root object, and their survey codes.
    reductions : mapping, optional
        For each kind of points, the reductions to read with their priorities; of points at the same time, to a tenth of
        a second, that of the highest priority counts. Default: the points that alerts carry.
    settings : FeatureSettings
        Dust map, and whether objects of unknown class are fitted.

    Returns
    -------
    pyarrow.Table
        Columns of the table `object_features` under documented names, without `night` and `ingestId`; one row, or none
        if there are no points. `diaSourceId` is the newest detection.
    """
    found = _curve(connection, members, reductions or {"detections": ALERTS, "forced": ALERTS})
    detected = np.array([kind == "detection" for kind in found["kind"].to_pylist()], bool)
    mjd = _floats(found["midpointMjdTai"])
    sources, forced = _points(found, mjd, detected), _points(found, mjd, ~detected)
    known = _known(connection, identifier)
    ra, dec = _floats(known["ra"]), _floats(known["dec"])
    dust = _dust(tuple(map(str, settings.dust_map)), settings.dust_scale, settings.dust_column)
    kind = known["classification"][0].as_py()
    short = len(sources) > 0 and sources.mjd[-1] - sources.mjd[0] < settings.fit_unclassified_days
    curves = LightCurves.of(sources, forced).with_(
        ra=ra,
        dec=dec,
        ebv=dust.ebv(ra, dec),
        explosive=np.array([short if kind is None else kind in EXPLOSIVE]),
        distance=_floats(known["best_distance"]),
        redshift=_floats(known["z"]),
        photometric_redshift=_floats(known["photoz"]),
        first_mjd=np.array([np.nan]),
    )
    rows = features(curves)
    newest = found["id"][int(np.flatnonzero(detected)[np.argmax(mjd[detected])])].as_py() if detected.any() else None
    columns: dict[str, Any] = {
        "diaobjectid": pa.array([identifier], pa.int64()),
        "diasourceid": pa.array([newest], pa.int64()),
    }
    columns |= {name: rows[name] for name in rows.column_names}
    wanted = [column for column in object_features.columns if column.name in columns]
    table = pa.table({str(column.info.get("documented", column.name)): columns[column.name] for column in wanted})
    return table if found.num_rows else table.slice(0, 0)


def _curve(
    connection: psycopg.Connection[Any], members: Mapping[int, int], reductions: Mapping[str, Mapping[int, int]]
) -> pa.Table:
    """Detections and forced points of some objects as one light curve."""
    parts = [
        curve_table(connection, members, kinds=(kind,), reductions={kind: {reduction: 0}})
        for kind in ("detections", "forced")
        for reduction in sorted(reductions[kind], key=lambda one, kind=kind: -reductions[kind][one])  # type: ignore[misc]
    ]
    found = pa.concat_tables(parts) if parts else SCHEMA.empty_table()
    tenths = np.rint(_floats(found["midpointMjdTai"]) * TENTHS_OF_A_SECOND).astype(np.int64)
    is_forced = np.array([name == "forced" for name in found["kind"].to_pylist()], np.int64)
    # The parts are in the order of their priorities, and `unique` gives the first of equal rows.
    _, first = np.unique(np.column_stack([is_forced, tenths]), axis=0, return_index=True)
    return found.take(pa.array(np.sort(first)))


def _known(connection: psycopg.Connection[Any], identifier: int) -> pa.Table:
    """Position and context of an object."""
    return fetch(
        connection,
        sql.SQL(
            "SELECT ra, decl, near.classification, near.best_distance, near.z, near.photoz FROM objects"
            " LEFT JOIN sherlock_classifications AS near USING (diaobjectid) WHERE diaobjectid = {}"
        ).format(sql.Literal(identifier)),
        _KNOWN,
    )


def _points(found: pa.Table, mjd: NDArray[np.float64], chosen: NDArray[np.bool_]) -> Points:
    rows = np.flatnonzero(chosen)
    bands = found["band"].to_pylist()
    return Points.of(
        1,
        np.zeros(len(rows), np.int64),
        mjd[rows],
        _floats(found["psfFlux"])[rows],
        band_codes([bands[row] or "" for row in rows.tolist()]),
        _floats(found["reliability"])[rows],
    )


def _floats(column: pa.ChunkedArray) -> NDArray[np.float64]:
    values: NDArray[np.float64] = column.cast(pa.float64()).fill_null(np.nan).to_numpy()
    return values
