"""What a chart of a light curve shows in a given state: values, limits, ranges, and counts of what is left out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from broker_assets.lightcurves.chart.points import FORCED, KIND_LETTERS, LIMIT, CurvePoints
from broker_assets.lightcurves.chart.state import ChartState
from broker_assets.lightcurves.photometry import BANDS, ERROR_FACTOR, magnitude

DETECTED: Final = 3.0
"""Signal to noise below which a magnitude is shown as a limit."""
LARGEST_ERROR: Final = 1.0
"""Magnitudes: points with a larger error do not set the range of the axis."""
_MARGIN: Final = 0.06
_STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Marks:
    """Points as they are shown; arrays of length n."""

    points: CurvePoints
    y: NDArray[np.float64]
    """Value on the vertical axis: nJy or magnitudes."""
    error: NDArray[np.float64]
    """One sigma; NaN of limits."""
    is_limit: NDArray[np.bool_]
    """Whether only an upper limit of the brightness is known."""
    x_range: tuple[float, float]
    """MJD TAI."""
    y_range: tuple[float, float]
    """Lowest and highest value; magnitudes are drawn the other way round."""
    off_scale: NDArray[np.int8]
    """1 above the range of values, −1 below, 0 within."""
    counts: dict[str, int]
    """Points of each band, whether it is shown or not, of the kinds that are shown."""
    kinds: dict[str, int]
    """Points of each kind, of all bands."""
    negative: int
    """Points without a magnitude, since their flux is negative."""
    without_value: int
    """Points without a flux, or without a total flux."""

    def __len__(self) -> int:
        return len(self.y)


def marks(points: CurvePoints, state: ChartState) -> Marks:
    """Choose and convert the points of a chart.

    Parameters
    ----------
    points : CurvePoints
        All points.
    state : ChartState
        Bands, kinds, axes and interval.
    """
    kind_shown = np.array([letter in state.kinds for letter in KIND_LETTERS])[points.kind]
    band_shown = np.array([band in state.bands for band in BANDS] + [True])[points.band]
    counts = {band: int(np.count_nonzero((points.band == code) & kind_shown)) for code, band in enumerate(BANDS)}
    kinds = {letter: int(np.count_nonzero(points.kind == code)) for code, letter in enumerate(KIND_LETTERS)}
    chosen = points.where(kind_shown & band_shown)
    y, error, is_limit, negative = _values(chosen, state.y)
    known = np.isfinite(y)
    chosen, y, error, is_limit = chosen.where(known), y[known], error[known], is_limit[known]
    x_range = _x_range(chosen.mjd, state)
    within = (chosen.mjd >= x_range[0]) & (chosen.mjd <= x_range[1])
    y_range = _y_range(y[within], error[within], is_limit[within], state.y)
    off_scale = (y > y_range[1]).astype(np.int8) - (y < y_range[0]).astype(np.int8)
    without = int(np.count_nonzero(~known)) - negative
    return Marks(chosen, y, error, is_limit, x_range, y_range, off_scale, counts, kinds, negative, without)


def _values(points: CurvePoints, axis: str) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_], int]:
    is_limit = points.kind == LIMIT
    if axis == "flux":
        return points.flux, np.where(is_limit, np.nan, points.error), is_limit, 0
    if axis == "total":
        return points.total, points.total_error, is_limit, 0  # exposures without a detection have no total flux
    with np.errstate(divide="ignore", invalid="ignore"):
        snr = points.flux / points.error
        weak = ~is_limit & (np.abs(snr) < DETECTED)
        values = np.where(weak, DETECTED * points.error, points.flux)
        error = np.where(is_limit | weak, np.nan, ERROR_FACTOR * points.error / points.flux)
    negative = int(np.count_nonzero(np.isfinite(values) & (values <= 0)))
    return magnitude(values), error, is_limit | weak, negative


def _x_range(mjd: NDArray[np.float64], state: ChartState) -> tuple[float, float]:
    if state.since is not None and state.until is not None:
        return state.since, state.until
    if not len(mjd):
        return 0.0, 1.0
    low, high = float(mjd.min()), float(mjd.max())
    margin = max((high - low) * 0.03, 0.5)
    return low - margin, high + margin


def _y_range(
    y: NDArray[np.float64], error: NDArray[np.float64], is_limit: NDArray[np.bool_], axis: str
) -> tuple[float, float]:
    """The range of all well-measured points; limits and points with large errors do not widen it."""
    measured = ~is_limit
    if axis == "mag":
        good = measured & ~(error > LARGEST_ERROR)
    else:
        known = error[measured & np.isfinite(error)]
        usual = float(np.percentile(known, 50, method="lower")) if len(known) else np.inf
        good = measured & ~(error > 10.0 * usual)
    for choice in (good, measured, np.ones(len(y), np.bool_)):
        if choice.any():
            bars = np.where(np.isfinite(error[choice]), error[choice], 0.0)
            low, high = float((y[choice] - bars).min()), float((y[choice] + bars).max())
            break
    else:
        return 0.0, 1.0
    if axis != "mag":
        low, high = min(low, 0.0), max(high, 0.0)  # the line of zero is shown
    margin = (high - low) * _MARGIN or max(abs(low) * _MARGIN, 0.1)
    return low - margin, high + margin


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round values within a range, at most `most` of them.

    Examples
    --------
    >>> ticks(17.2, 21.3)
    [18.0, 19.0, 20.0, 21.0]
    >>> ticks(0.0, 1.0, 3)
    [0.0, 0.5, 1.0]
    """
    if not high > low:
        return [low]
    rough = (high - low) / max(most - 1, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in _STEPS if power * factor >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(number * step, 12) + 0.0 for number in range(first, last + 1)]


def tick_text(value: float, values: Sequence[float]) -> str:
    """A value on an axis with as many decimals as its neighbours need.

    Examples
    --------
    >>> [tick_text(value, [0.0, 0.5, 1.0]) for value in (0.0, 0.5)], tick_text(-12000.0, [-12000.0, 0.0])
    (['0.0', '0.5'], '−12,000')
    """
    decimals = next((count for count in range(7) if all(abs(one - round(one, count)) < 1e-9 for one in values)), 6)
    return f"{value:,.{decimals}f}".replace("-", "−")


def summary(shown: Marks, state: ChartState) -> str:
    """The chart in a sentence, for those who do not see it."""
    if not len(shown):
        return "Light curve: no points are shown."
    counts = [(band, int(np.count_nonzero(shown.points.band == code))) for code, band in enumerate(BANDS)]
    parts = [f"{count:,} in {band}" for band, count in counts if count]
    measured = np.flatnonzero(~shown.is_limit)
    text = f"Light curve: {len(shown):,} points ({', '.join(parts)})"
    text += f" from MJD {shown.points.mjd[0]:.3f} to {shown.points.mjd[-1]:.3f}"
    if len(measured):
        values = shown.y[measured]
        best = measured[np.argmin(values) if state.y == "mag" else np.argmax(values)]
        unit = "magnitude {:.2f}" if state.y == "mag" else "{:,.0f} nJy"
        text += f"; brightest {unit.format(shown.y[best])} in {band_name(int(shown.points.band[best]))}"
        text += f" at MJD {shown.points.mjd[best]:.3f}"
    limits = int(np.count_nonzero(shown.is_limit))
    return text + (f"; {limits:,} are upper limits." if limits else ".")


def band_name(code: int) -> str:
    """Letter of a band.

    Examples
    --------
    >>> band_name(1), band_name(-1)
    ('g', 'other band')
    """
    return BANDS[code] if 0 <= code < len(BANDS) else "other band"


def is_forced(shown: Marks) -> NDArray[np.bool_]:
    """Which marks are forced photometry, and are drawn hollow."""
    return np.asarray(shown.points.kind == FORCED)
