"""Statistics of the light curves in alerts, without a database: one document per alert, by band.

The light curve is that of the alert: its sources, forced photometry and limits. Stored light curves are longer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from broker_assets.database.point_identity import sane_time
from broker_assets.database.tables import BANDS, object_statistics
from broker_assets.lightcurves.alert_json import NotAnAlert, points_of, refused_points
from broker_assets.lightcurves.joined_curves import Columns, JoinedCurves
from broker_assets.lightcurves.photometry import band_codes
from broker_assets.lightcurves.statistics import SCHEMA, statistics
from broker_assets.packets.tables import AlertTables

_NAMES: Final = {name: str(object_statistics.c[name].info["documented"]) for name in SCHEMA.names if name != "band"}
"""SQL name to documented name."""
_LISTS: Final = (
    ("diaSourcesList", "psfFlux", "psfFluxErr"),
    ("diaForcedSourcesList", "psfFlux", "psfFluxErr"),
    ("diaNondetectionLimitsList", "diaNoise", "diaNoise"),
)
"""Lists of a JSON alert, with their fields of flux and uncertainty."""


def of_alerts(alerts: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Any, float, dict[str, Any]]]:
    """Documents of alerts as JSON, in the form of `alert_json`.

    Parameters
    ----------
    alerts : sequence of mapping
        Alerts; points without a valid time or flux, and withdrawn ones, are left out. `diaNoise` is the five-sigma
        limit.

    Yields
    ------
    tuple
        Key of the object, time of its newest point (MJD TAI), and the document: `diaObjectId`, and for each band its
        statistics by documented name.

    Raises
    ------
    NotAnAlert
        If an alert has another form; the message names the first.

    Examples
    --------
    >>> points = [{"midpointMjdTai": 61000.0 + day, "band": "g", "psfFlux": 10.0 * day} for day in (0, 1, 3)]
    >>> [(_, _, document)] = of_alerts([{"diaObject": {"diaObjectId": 7}, "diaSourcesList": points}])
    >>> document["diaObjectId"], document["g"]["amplitude"], document["g"]["reducedChi2"]
    (7, 15.0, None)
    """
    for number, alert in enumerate(alerts):
        if not isinstance(alert, Mapping) or not isinstance(alert.get("diaSourcesList"), list):
            raise NotAnAlert(f"alert {number + 1} has no list diaSourcesList")
    curves = JoinedCurves.of(len(alerts), *(_listed(alerts, *names) for names in _LISTS))
    identifiers = [(alert.get("diaObject") or {}).get("diaObjectId") for alert in alerts]
    yield from _documents(curves, identifiers)


def of_tables(tables: AlertTables) -> Iterator[tuple[Any, float, dict[str, Any]]]:
    """Documents of decoded packets that have a DIAObject; see `of_alerts`."""
    packets = tables.packet.filter(pc.not_equal(tables.packet["diaobjectid"], 0))
    numbers = packets["packet"].to_numpy().astype(np.int64)
    place = np.full(int(tables.packet["packet"].to_numpy().max(initial=-1)) + 1, -1, np.int64)
    place[numbers] = np.arange(len(numbers))
    curves = JoinedCurves.of(
        len(numbers),
        _rows(_distinct(tables.source), place, "psfflux", "psffluxerr"),
        _rows(tables.forced_source, place, "psfflux", "psffluxerr"),
        _rows(tables.nondetection, place, "dianoise", "dianoise"),
    )
    yield from _documents(curves, packets["diaobjectid"].to_pylist())


def _documents(curves: JoinedCurves, identifiers: Sequence[Any]) -> Iterator[tuple[Any, float, dict[str, Any]]]:
    documents: list[dict[str, Any]] = [{"diaObjectId": identifier} for identifier in identifiers]
    for row in statistics(curves).to_pylist():
        documents[row["object"]][row["band"]] = {name: row[column] for column, name in _NAMES.items()}
    for number, document in enumerate(documents):
        begin, end = curves.offsets[number], curves.offsets[number + 1]
        newest = float(curves.mjd[end - 1]) if end > begin else 0.0
        key = (id(documents), number) if document["diaObjectId"] is None else document["diaObjectId"]
        yield key, newest, document


def _listed(alerts: Sequence[Mapping[str, Any]], name: str, flux: str, error: str) -> Columns:
    owners, times, points = points_of(alerts, name)
    with refused_points(name):
        return Columns(
            owners,
            times,
            _numbers([point[flux] for point in points]),
            _numbers([point.get(error) for point in points]),
            band_codes([str(point.get("band")) for point in points]),
        )


def _numbers(values: Sequence[Any]) -> NDArray[np.float64]:
    return np.array([math.nan if value is None else float(value) for value in values], np.float64)


def _distinct(sources: pa.Table) -> pa.Table:
    """Sources once per packet: a history may repeat the source of the packet, which comes first."""
    keys = np.stack([sources[name].to_numpy().astype(np.int64) for name in ("packet", "diasourceid")])
    _, first = np.unique(keys, axis=1, return_index=True)
    return sources.take(pa.array(np.sort(first)))


def _rows(points: pa.Table, place: NDArray[np.int64], flux: str, error: str) -> Columns:
    owner = place[points["packet"].to_numpy().astype(np.int64)]
    kept = owner >= 0
    if "timewithdrawnmjdtai" in points.column_names:
        kept &= ~(_floats(points, "timewithdrawnmjdtai") > 0.0)
    bands = np.full(len(owner), -1, np.int8)
    if "band" in points.column_names:
        bands = pc.fill_null(pc.index_in(points["band"], pa.array(BANDS)), -1).to_numpy().astype(np.int8)
    times = _floats(points, "midpointmjdtai")
    kept &= sane_time(times)
    return Columns(owner[kept], times[kept], _floats(points, flux)[kept], _floats(points, error)[kept], bands[kept])


def _floats(points: pa.Table, name: str) -> NDArray[np.float64]:
    if name not in points.column_names:
        return np.full(points.num_rows, np.nan)
    return np.asarray(pc.fill_null(points[name].cast(pa.float64()), np.nan).to_numpy(), np.float64)
