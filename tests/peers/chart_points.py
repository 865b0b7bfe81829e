"""Points of a light curve for tests of charts."""

from __future__ import annotations

from typing import Any

import numpy as np

from broker_assets.lightcurves.chart.points import CurvePoints

COLUMNS = ("mjd", "kind", "band", "survey", "flux", "error")


def chart_points(*rows: tuple[float, int, int, int, float, float]) -> CurvePoints:
    """Points from rows of time, kind, band, survey, flux and error."""
    columns: list[Any] = list(zip(*rows, strict=True)) if rows else [()] * len(COLUMNS)
    mjd, kind, band, survey, flux, error = (np.array(column, np.float64) for column in columns)
    count = len(rows)
    with np.errstate(divide="ignore", invalid="ignore"):
        snr = flux / error
    return CurvePoints(
        mjd=mjd,
        kind=kind.astype(np.int8),
        band=band.astype(np.int8),
        survey=survey.astype(np.int16),
        identifier=np.arange(count, dtype=np.int64) + 168110947020308480,
        diaobjectid=np.full(count, 168110947020308481, np.int64),
        flux=flux,
        error=error,
        total=np.full(count, np.nan),
        total_error=np.full(count, np.nan),
        snr=snr,
        reliability=np.full(count, 0.5),
        has_packet=kind == 0,
    )
