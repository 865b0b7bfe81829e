"""The track of a solar-system object over the sky as SVG.

North is up and east to the left. A track of up to 60 degrees is drawn on a map around it, equirectangular about its
middle with right ascension scaled by the cosine of the declination; a longer one on the whole sky.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import ArrayLike, NDArray

from broker_assets.lightcurves.chart.marks import tick_text, ticks
from broker_assets.lightcurves.chart.rows import utc_texts
from broker_assets.lightcurves.chart.svg import file_style, symbol
from broker_assets.lightcurves.photometry import BANDS

CONNECTED: Final = 15.0
"""Days: detections that are further apart are not joined by a line, since objects turn back within months."""
_WIDEST: Final = 60.0
"""Degrees of declination or along a parallel above which the whole sky is drawn."""
_SMALLEST: Final = 0.02
"""Degrees: the least height of a map."""
_TITLED: Final = 500
"""Number of detections above which they do not have titles of their own."""
_APART: Final = 86
"""Pixels between dates along the track."""


@dataclass(frozen=True)
class SkyFrame:
    """Where a map is.

    Parameters
    ----------
    ra, dec : float
        Its middle, ICRS, degrees.
    squeeze : float
        Degrees on the map per degree of right ascension.
    width, height : float
        Degrees on the map.
    """

    ra: float
    dec: float
    squeeze: float
    width: float
    height: float

    @classmethod
    def around(cls, ra: NDArray[np.float64], dec: NDArray[np.float64], shape: float) -> SkyFrame:
        """The smallest map of some positions.

        Parameters
        ----------
        ra, dec : (n,) float64 array
            ICRS, degrees; at least one.
        shape : float
            Width over height.

        Examples
        --------
        >>> frame = SkyFrame.around(np.array([359.0, 1.0]), np.array([0.0, 0.0]), 2.0)
        >>> frame.ra, frame.dec, round(frame.width, 2)
        (0.0, 0.0, 2.4)
        """
        sorted_ra = np.sort(ra % 360.0)
        gaps = np.diff(np.append(sorted_ra, sorted_ra[0] + 360.0))
        widest = int(np.argmax(gaps))
        begin = float(sorted_ra[(widest + 1) % len(sorted_ra)])
        span = 360.0 - float(gaps[widest])
        low, high = float(dec.min()), float(dec.max())
        middle = (low + high) / 2
        squeeze = math.cos(math.radians(middle))
        if span * squeeze > _WIDEST or high - low > _WIDEST or max(-low, high) > 85.0:
            return cls(180.0, 0.0, 1.0, 360.0, 180.0)
        height = max(span * squeeze / shape, high - low, _SMALLEST) * 1.2
        return cls((begin + span / 2) % 360.0, middle, squeeze, height * shape, height)

    def away(self, ra: NDArray[np.float64]) -> NDArray[np.float64]:
        """Degrees of right ascension east of the middle, from −180 to 180."""
        return np.asarray((ra - self.ra + 180.0) % 360.0 - 180.0, np.float64)


def track_svg(
    mjd: ArrayLike,
    ra: ArrayLike,
    dec: ArrayLike,
    bands: ArrayLike,
    *,
    titles: Sequence[str] = (),
    summary: str = "",
    size: tuple[int, int] = (760, 380),
    standalone: bool = False,
) -> str:
    """Draw a track.

    Parameters
    ----------
    mjd : (n,) float array
        MJD TAI, ascending.
    ra, dec : (n,) float arrays
        ICRS, degrees.
    bands : (n,) int array
        Places in `photometry.BANDS`.
    titles : sequence of str
        Text of each detection; none if empty.
    summary : str
        The drawing in a sentence.
    size : (int, int)
        Width and height, pixels.
    standalone : bool
        Whether the drawing is a stand-alone file, which contains its own style.

    Returns
    -------
    str
        An `svg` element; text in it is escaped. Empty if no detection has a position.
    """
    times, places_ra, places_dec = (np.asarray(values, np.float64) for values in (mjd, ra, dec))
    codes = np.asarray(bands, np.int64)
    known = np.flatnonzero(np.isfinite(times) & np.isfinite(places_ra) & np.isfinite(places_dec))
    if not len(known):
        return ""
    names = [titles[row] for row in known.tolist()] if titles else []
    drawing = _Drawing(times[known], places_ra[known], places_dec[known], codes[known], size)
    return drawing.draw(names, summary, standalone)


class _Drawing:
    def __init__(
        self,
        mjd: NDArray[np.float64],
        ra: NDArray[np.float64],
        dec: NDArray[np.float64],
        bands: NDArray[np.int64],
        size: tuple[int, int],
    ) -> None:
        self.mjd, self.bands = mjd, bands
        self.width, self.height = size
        self.left, self.right, self.top, self.bottom = 84, self.width - 12, 12, self.height - 40
        across, down = self.right - self.left, self.bottom - self.top
        self.frame = SkyFrame.around(ra, dec, across / down)
        self.whole = self.frame.width >= 360.0
        self.scale = across / self.frame.width, down / self.frame.height
        self.away = self.frame.away(ra)
        self.x = self._x(self.away)
        self.y = self._y(dec)

    def _x(self, away: NDArray[np.float64] | float) -> NDArray[np.float64]:
        middle = (self.left + self.right) / 2
        return np.asarray(middle - np.asarray(away) * self.frame.squeeze * self.scale[0], np.float64)

    def _y(self, dec: NDArray[np.float64] | float) -> NDArray[np.float64]:
        middle = (self.top + self.bottom) / 2
        return np.asarray(middle - (np.asarray(dec) - self.frame.dec) * self.scale[1], np.float64)

    def draw(self, titles: Sequence[str], summary: str, standalone: bool) -> str:
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="curve track" viewBox="0 0 {self.width} {self.height}"'
            f' width="{self.width}" height="{self.height}" role="img">'
            f"<title>{escape(summary or 'Track on the sky')}</title>"
        ]
        if standalone:
            style = file_style() + ".path{fill:none;stroke:#2f5fd0;stroke-width:1.2}"
            parts.append(f'<style>{style}</style><rect width="{self.width}" height="{self.height}" class="ground"/>')
        parts += [*self._grid(), *self._lines(), *self._marks(titles), *self._dates(), "</svg>"]
        return "".join(parts)

    def _grid(self) -> list[str]:
        frame = self.frame
        parts = [
            f'<rect x="{self.left}" y="{self.top}" width="{self.right - self.left}"'
            f' height="{self.bottom - self.top}" class="frame"/>'
        ]
        lines = ticks(frame.dec - frame.height / 2, frame.dec + frame.height / 2, 6)
        for value in lines:
            at = f"{float(self._y(value)):.1f}"
            parts.append(f'<path d="M{self.left} {at}H{self.right}" class="grid"/>')
            text = tick_text(value, lines)
            parts.append(f'<text x="{self.left - 6}" y="{at}" dy=".35em" text-anchor="end">{text}</text>')
        half = frame.width / frame.squeeze / 2
        lines = ticks(frame.ra - half, frame.ra + half, 4 if self.width < 500 else 6)
        # 360 degrees are labelled 0, but the unwrapped values decide how many decimals all labels have.
        for value in lines:
            at = f"{float(self._x(value - frame.ra)):.1f}"
            text = tick_text(value % 360.0, [*lines, value % 360.0])
            parts.append(f'<path d="M{at} {self.top}V{self.bottom}" class="grid"/>')
            parts.append(f'<text x="{at}" y="{self.bottom + 16}" text-anchor="middle">{text}</text>')
        middle_x, middle_y = (self.left + self.right) / 2, (self.top + self.bottom) / 2
        parts.append(
            f'<text x="{middle_x:g}" y="{self.height - 6}" text-anchor="middle">← RA (degrees, ICRS), east</text>'
            f'<text x="12" y="{middle_y:g}" text-anchor="middle" transform="rotate(-90 12 {middle_y:g})">'
            "Dec (degrees, ICRS)</text>"
        )
        return parts

    def _lines(self) -> list[str]:
        """Lines between detections that are close in time; none crosses the edge of a map of the whole sky."""
        if len(self.x) < 2:
            return []
        joined = (np.diff(self.mjd) <= CONNECTED) & (np.abs(np.diff(self.away)) < 180.0)
        steps = [f"M{self.x[0]:.1f} {self.y[0]:.1f}"]
        steps += [
            f"{'L' if joined[row] else 'M'}{self.x[row + 1]:.1f} {self.y[row + 1]:.1f}" for row in range(len(joined))
        ]
        return [f'<path class="path" d="{"".join(steps)}"/>']

    def _marks(self, titles: Sequence[str]) -> list[str]:
        if titles and len(self.x) <= _TITLED:
            return [
                f'<path class="mark solid band-{_band(code)}" d="M{x:.1f} {y:.1f}{symbol(code)}">'
                f"<title>{escape(text)}</title></path>"
                for x, y, code, text in zip(
                    self.x.tolist(), self.y.tolist(), self.bands.tolist(), titles, strict=True
                )
            ]  # fmt: skip
        looks: dict[int, list[str]] = {}
        for x, y, code in zip(self.x.tolist(), self.y.tolist(), self.bands.tolist(), strict=True):
            looks.setdefault(code, []).append(f"M{x:.1f} {y:.1f}{symbol(code)}")
        return [f'<path class="mark solid band-{_band(code)}" d="{"".join(d)}"/>' for code, d in sorted(looks.items())]

    def _dates(self) -> list[str]:
        """Dates along the track, far enough apart to be legible; always the first and the last one."""
        chosen, last = [0], len(self.x) - 1
        for row in range(1, last):
            if all(math.dist(self._at(row), self._at(other)) >= _APART for other in (*chosen, last)):
                chosen.append(row)
        near = math.dist(self._at(0), self._at(last)) < _APART
        texts = [text[:10] for text in utc_texts(self.mjd[[*chosen, last]])]
        if texts[-1] != texts[0]:
            chosen.append(last)
        parts = []
        for row, text in zip(chosen, texts, strict=False):
            x, y = self._at(row)
            outer = x > self.right - 80
            below = y < self.top + 20 or (near and row == last)
            parts.append(
                f'<text x="{x + (-8 if outer else 8):.1f}" y="{y + (18 if below else -8):.1f}"'
                f' text-anchor="{"end" if outer else "start"}" class="date">{text}</text>'
            )
        return parts

    def _at(self, row: int) -> tuple[float, float]:
        return float(self.x[row]), float(self.y[row])


def _band(code: int) -> str:
    return BANDS[code] if 0 <= code < len(BANDS) else "other"


def track_summary(mjd: ArrayLike, ra: ArrayLike, dec: ArrayLike) -> str:
    """A track in a sentence, for those who do not see it.

    Parameters
    ----------
    mjd, ra, dec : (n,) float arrays
        MJD TAI, ascending; ICRS, degrees.

    Examples
    --------
    >>> track_summary([60000.0, 60001.0], [10.0, 10.1], [-5.0, -5.0])[:68]
    'Track of 2 detections from 2023-02-24 to 2023-02-25 UTC, 0.100 degre'
    """
    times, along, up = (np.asarray(values, np.float64) for values in (mjd, ra, dec))
    if not len(times):
        return "Track on the sky: no detections."
    first, last = utc_texts(times[[0, -1]])
    east = (np.diff(along) + 180.0) % 360.0 - 180.0
    steps = np.hypot(east * np.cos(np.radians((up[1:] + up[:-1]) / 2)), np.diff(up))
    return (
        f"Track of {len(times):,} detection{'s' if len(times) > 1 else ''} from {first[:10]} to {last[:10]} UTC,"
        f" {np.nansum(steps):.3f} degrees along its path, from RA {along[0]:.3f} Dec {up[0]:+.3f}"
        f" to RA {along[-1]:.3f} Dec {up[-1]:+.3f}."
    )
