"""Points of the light curves of one source on the sky, in all surveys, as a chart and its table need them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import psycopg
from numpy.typing import NDArray

from broker_assets.database.border import Conditions
from broker_assets.database.border_sql import across
from broker_assets.database.point_identity import TENTHS_OF_A_SECOND
from broker_assets.database.reductions import ALERTS
from broker_assets.database.tables import PARTITIONED
from broker_assets.lightcurves.photometry import band_codes

DETECTION: Final = 0
FORCED: Final = 1
LIMIT: Final = 2
KIND_LETTERS: Final = "dfl"
"""Letters of the kinds, by their code."""

_COLUMNS: Final = "diaobjectid, survey, midpointmjdtai, band, visit, reduction"
_KNOWN: Final = (
    "diaobjectid = ANY(%(objects)s::bigint[]) AND reduction = ANY(%(reductions)s::smallint[])"
    " AND (%(as_of)s::float8 IS NULL OR broughtbymjdtai <= %(as_of)s)"
    " AND (timewithdrawnmjdtai IS NULL OR timewithdrawnmjdtai = 'NaN' OR timewithdrawnmjdtai > %(as_of)s)"
)
_QUERIES: Final = (
    f"SELECT diasourceid, psfflux, psffluxerr, scienceflux, sciencefluxerr, snr, reliability,"  # noqa: S608
    f" archivefileid IS NOT NULL, {_COLUMNS} FROM diasources WHERE {_KNOWN}",
    f"SELECT diaforcedsourceid, psfflux, psffluxerr, scienceflux, sciencefluxerr, NULL, NULL,"  # noqa: S608
    f" false, {_COLUMNS} FROM diaforcedsources WHERE {_KNOWN}",
    f"SELECT exposure, dianoise, NULL, NULL, NULL, NULL, NULL,"  # noqa: S608
    f" false, {_COLUMNS} FROM dianondetectionlimits WHERE {_KNOWN} AND dianoise IS NOT NULL",
)
"""Of each kind."""


_NAMES: Final = ("detections", "forced", "limits")
"""Kinds by their code, as the versions of the processing name them."""


@dataclass(frozen=True)
class CurvePoints:
    """n points by time; arrays of length n, NaN where a value is unknown."""

    mjd: NDArray[np.float64]
    """MJD TAI, midpoint."""
    kind: NDArray[np.int8]
    """`DETECTION`, `FORCED` or `LIMIT`."""
    band: NDArray[np.int8]
    """Place in `photometry.BANDS`; −1 for others."""
    survey: NDArray[np.int16]
    """See `database.tables.SURVEYS`."""
    identifier: NDArray[np.int64]
    """diaSourceId, diaForcedSourceId, or exposure of a limit."""
    diaobjectid: NDArray[np.int64]
    flux: NDArray[np.float64]
    """nJy, on the difference image; for limits the five-sigma limiting flux."""
    error: NDArray[np.float64]
    """nJy."""
    total: NDArray[np.float64]
    """nJy, on the visit image."""
    total_error: NDArray[np.float64]
    """nJy."""
    snr: NDArray[np.float64]
    """Signal-to-noise ratio: that of the survey, else flux over error."""
    reliability: NDArray[np.float64]
    """0 to 1."""
    has_packet: NDArray[np.bool_]
    """Whether its own packet, with stamps, is archived."""

    def __len__(self) -> int:
        return len(self.mjd)

    def where(self, chosen: NDArray[Any]) -> CurvePoints:
        """Some of the points: by a mask, or by indices, in the order of these."""
        return CurvePoints(*(getattr(self, field.name)[chosen] for field in fields(self)))


def curve_points(
    connection: psycopg.Connection[Any],
    diaobjectid: Collection[int],
    *,
    as_of: float | None = None,
    reductions: Mapping[str, Mapping[int, int]] | None = None,
) -> CurvePoints:
    """Read all points of some objects.

    Parameters
    ----------
    connection : psycopg.Connection
        To read with.
    diaobjectid : collection of int
        Objects that are one source.
    as_of : float, optional
        MJD TAI: points that packets had provided by this time, including those that the survey withdrew later. Default:
        all that are not withdrawn.
    reductions : mapping, optional
        For `detections`, `forced` and `limits`, the reductions to read, each with its priority: among the points of a
        visit (for limits, of a visit and band) that of the highest priority counts. Default: the points that alerts
        carry.
    """
    values: dict[str, Any] = {"objects": list(diaobjectid), "as_of": as_of}
    rows: list[tuple[Any, ...]] = []
    kinds: list[int] = []
    wanted: Conditions = [[("diaobjectid", "in", list(diaobjectid))]]
    for kind, (query, table) in enumerate(zip(_QUERIES, PARTITIONED, strict=True)):
        whole = across(connection, query, {table: wanted}, has_values=True)
        priorities = ALERTS if reductions is None else reductions[_NAMES[kind]]
        values["reductions"] = list(priorities)
        found = connection.execute(whole, values).fetchall()  # type: ignore[call-overload]
        if len(priorities) > 1:
            found = _of_each_visit(found, priorities, by_band=kind == LIMIT)
        rows += found
        kinds += [kind] * len(found)
    columns = list(zip(*rows, strict=True)) if rows else [()] * 14

    def reals(place: int) -> NDArray[np.float64]:
        return np.array([np.nan if value is None else value for value in columns[place]], np.float64)

    flux, error, snr = reals(1), reals(2), reals(5)
    with np.errstate(divide="ignore", invalid="ignore"):
        snr = np.where(np.isfinite(snr), snr, flux / error)
    points = CurvePoints(
        mjd=reals(10),
        kind=np.array(kinds, np.int8),
        band=band_codes([name or "" for name in columns[11]]),
        survey=np.array([value or 0 for value in columns[9]], np.int16),
        identifier=np.array([value or 0 for value in columns[0]], np.int64),
        diaobjectid=np.array(columns[8], np.int64),
        flux=flux,
        error=error,
        total=reals(3),
        total_error=reals(4),
        snr=snr,
        reliability=reals(6),
        has_packet=np.array(columns[7], np.bool_),
    )
    return points.where(np.lexsort((points.identifier, points.mjd)))


def _of_each_visit(
    found: list[tuple[Any, ...]], priorities: Mapping[int, int], *, by_band: bool
) -> list[tuple[Any, ...]]:
    """One point per survey and visit, that of the highest priority; without a visit number, points go by time."""
    best: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for row in found:
        survey, mjd, band, visit, reduction = row[9:]
        key = (survey, -round(mjd * TENTHS_OF_A_SECOND) if visit is None else visit, band if by_band else None)
        if key not in best or priorities[reduction] > priorities[best[key][-1]]:
            best[key] = row
    return list(best.values())
