"""The points of a chart as rows: for the table below it, for CSV, and for the script that lets a reader zoom."""

from __future__ import annotations

import csv
import io
import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from broker_assets.database.tables import SURVEYS
from broker_assets.lightcurves.chart.marks import Marks, band_name
from broker_assets.lightcurves.chart.points import FORCED, LIMIT, CurvePoints
from broker_assets.lightcurves.photometry import ERROR_FACTOR, magnitude
from broker_assets.packets.timescales import tai_to_utc

KIND_NAMES: Final = ("detection", "forced", "limit")
"""By code of the kind."""
COLUMNS: Final = (
    "kind", "band", "survey", "id", "diaObjectId", "midpointMjdTai", "utc", "psfFlux_nJy", "psfFluxErr_nJy",
    "scienceFlux_nJy", "scienceFluxErr_nJy", "mag_AB", "magErr", "snr", "reliability",
)  # fmt: skip
"""Of the CSV."""
_SURVEYS: Final = {code: name for name, code in SURVEYS.items()}
_UNIX: Final = 40_587.0


def utc_text(mjd_tai: float) -> str:
    """A time as UTC to the second; empty outside the years 1858 to 2406.

    Examples
    --------
    >>> utc_text(60796.4341898148)
    '2025-05-01 10:24:37'
    """
    return utc_texts(np.array([mjd_tai], np.float64))[0]


def utc_texts(mjd_tai: NDArray[np.float64]) -> list[str]:
    """Times as UTC to the second.

    Parameters
    ----------
    mjd_tai : (n,) float64 array
        MJD TAI.
    """
    usable = (mjd_tai > 0) & (mjd_tai < 200_000)
    days = tai_to_utc(np.where(usable, mjd_tai, _UNIX)) - _UNIX
    texts = np.datetime_as_string(np.round(days * 86_400).astype("datetime64[s]"), unit="s")
    return [text.replace("T", " ") if good else "" for text, good in zip(texts.tolist(), usable.tolist(), strict=True)]


def rows(points: CurvePoints) -> list[dict[str, Any]]:
    """Points as rows under the names of `COLUMNS`, in their order; unknown values are None, identifiers integers.

    Magnitudes are AB magnitudes of the difference flux, or of the limiting flux for a limit.
    """
    magnitudes = magnitude(points.flux)
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = np.where(points.flux > 0, ERROR_FACTOR * points.error / points.flux, np.nan)
    columns = (
        [KIND_NAMES[code] for code in points.kind.tolist()],
        [band_name(code) for code in points.band.tolist()],
        [_SURVEYS.get(code, "") for code in points.survey.tolist()],
        points.identifier.tolist(),
        points.diaobjectid.tolist(),
        points.mjd.tolist(),
        utc_texts(points.mjd),
        _known(points.flux), _known(points.error), _known(points.total), _known(points.total_error),
        _known(magnitudes), _known(errors), _known(points.snr), _known(points.reliability),
    )  # fmt: skip
    return [dict(zip(COLUMNS, row, strict=True)) for row in zip(*columns, strict=True)]


def as_csv(points: CurvePoints) -> str:
    """Points as CSV (RFC 4180) with a header line; empty fields are unknown."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in rows(points):
        writer.writerow(["" if value is None else value for value in row.values()])
    return buffer.getvalue()


def document(shown: Marks, *, now: float) -> dict[str, Any]:
    """The marks of a chart for a script: columns of equal length, by time; identifiers are strings."""
    points = shown.points
    return {
        "x": points.mjd.tolist(),
        "y": [float(f"{value:.7g}") for value in shown.y.tolist()],
        "error": [None if value is None else float(f"{value:.4g}") for value in _known(shown.error)],
        "limit": shown.is_limit.astype(int).tolist(),
        "forced": (points.kind == FORCED).astype(int).tolist(),
        "detected": (points.kind != LIMIT).astype(int).tolist(),
        "band": points.band.tolist(),
        "survey": [_SURVEYS.get(code, "") for code in points.survey.tolist()],
        "id": [str(value) for value in points.identifier.tolist()],
        "snr": [None if value is None else round(value, 1) for value in _known(points.snr)],
        "reliability": [None if value is None else round(value, 3) for value in _known(points.reliability)],
        "stamps": points.has_packet.astype(int).tolist(),
        "utc": utc_texts(points.mjd),
        "now": now,
        "x_range": list(shown.x_range),
        "y_range": list(shown.y_range),
    }


def _known(values: Any) -> list[float | None]:
    """Numbers of at most nine digits, which 32-bit floats need, and None."""
    return [
        float(f"{value:.9g}") if math.isfinite(value) else None for value in np.asarray(values, np.float64).tolist()
    ]
