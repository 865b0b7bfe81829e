"""Pointings of a survey: fields, nights and visits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

MJD_EPOCH = date(1858, 11, 17)
TAI_MINUS_UTC = 37.0 / 86400.0
"""Days; constant since 2017-01-01, and simulated nights are later."""
_SIDEREAL = 360.98564736629
_SIDEREAL_AT_J2000 = 280.46061837
"""Degrees per day and degrees at MJD 51544.5 (Meeus, Astronomical Algorithms, 2nd edition, eq. 12.4)."""


@dataclass(frozen=True)
class Instrument:
    """Properties of a survey."""

    name: str
    bands: tuple[str, ...]
    wavelengths: tuple[float, ...]
    """Effective wavelength of each band, nm."""
    depths: tuple[float, ...]
    """5 sigma point-source depth of a visit in each band, AB magnitude."""
    pairs: tuple[tuple[int, int], ...]
    """Bands of the two visits of a field in a night, in turn."""
    declinations: tuple[float, float]
    """Degrees."""
    field_size: float
    """Side of a field, degrees."""
    longitude: float
    """Longitude of the observatory, degrees, east positive."""
    dusk: float
    """Hours UTC after the midnight that follows the noon of the night's key."""
    dawn: float
    every: int
    """Number of nights between observations of a field in season."""
    exposure: float
    """Seconds."""
    pixel: float
    """Arcsec."""
    electrons: float
    """Electrons in one visit for 1 nJy."""
    detectors: int


RUBIN = Instrument(
    name="rubin",
    bands=("u", "g", "r", "i", "z", "y"),
    wavelengths=(368.0, 480.0, 622.0, 754.0, 869.0, 971.0),
    depths=(23.8, 24.5, 24.0, 23.4, 22.7, 22.0),
    pairs=((1, 2), (2, 3), (3, 4), (1, 3), (4, 5), (0, 1)),
    declinations=(-72.0, 12.0),
    field_size=3.1,
    longitude=-70.7494,
    dusk=-0.25,
    dawn=9.5,
    every=3,
    exposure=30.0,
    pixel=0.2,
    electrons=1.8,
    detectors=189,
)
ZTF = Instrument(
    name="ztf",
    bands=("g", "r"),
    wavelengths=(481.0, 644.0),
    depths=(20.8, 20.6),
    pairs=((0, 1), (1, 0)),
    declinations=(-28.0, 85.0),
    field_size=6.8,
    longitude=-116.8597,
    dusk=2.75,
    dawn=13.0,
    every=2,
    exposure=30.0,
    pixel=1.01,
    electrons=0.05,
    detectors=64,
)


NIGHT_ENDS: Final = timedelta(hours=14)
"""Time after midnight UTC at which the night of the evening before has ended in Chile and in California."""


def last_night(now: datetime) -> date:
    """The last night that has ended at the observatories of all surveys, as the date of its evening.

    Parameters
    ----------
    now : datetime
        With time zone.

    Examples
    --------
    >>> from datetime import UTC
    >>> last_night(datetime(2026, 11, 29, 15, tzinfo=UTC)), last_night(datetime(2026, 11, 29, 9, tzinfo=UTC))
    (datetime.date(2026, 11, 28), datetime.date(2026, 11, 27))
    """
    return (now.astimezone(UTC) - NIGHT_ENDS).date() - timedelta(days=1)


def mjd_of(night: date) -> int:
    """MJD of the midnight UTC that begins the calendar day.

    Examples
    --------
    >>> mjd_of(date(2026, 1, 1))
    61041
    """
    return (night - MJD_EPOCH).days


def night_key(day: int) -> str:
    """Partition key of the night whose evening is on day `day` (MJD).

    Examples
    --------
    >>> night_key(61041)
    '2026-01-01'
    """
    return (MJD_EPOCH + timedelta(days=day)).isoformat()


class Fields:
    """A tiling of the footprint: rows of constant declination divided into cells of about equal area."""

    def __init__(self, instrument: Instrument) -> None:
        low, high = instrument.declinations
        self.low = low
        self.rows = max(1, round((high - low) / instrument.field_size))
        self.height = (high - low) / self.rows
        middle = low + (np.arange(self.rows) + 0.5) * self.height
        self.cells = np.maximum(1, np.round(360.0 * np.cos(np.radians(middle)) / instrument.field_size)).astype(int)
        self.first = np.concatenate([[0], np.cumsum(self.cells)])
        row = np.repeat(np.arange(self.rows), self.cells)
        self.ra = (np.arange(len(row)) - self.first[row] + 0.5) * 360.0 / self.cells[row]
        self.dec = middle[row]

    def __len__(self) -> int:
        return len(self.ra)

    def containing(self, ra: NDArray[np.float64], dec: NDArray[np.float64]) -> NDArray[np.int64]:
        """Field of each position; -1 outside the footprint.

        Parameters
        ----------
        ra, dec : (n,) float64 array
            ICRS, degrees.
        """
        row = np.floor((dec - self.low) / self.height).astype(np.int64)
        inside = (row >= 0) & (row < self.rows)
        row = np.clip(row, 0, self.rows - 1)
        cell = np.floor(np.mod(ra, 360.0) / 360.0 * self.cells[row]).astype(np.int64)
        return np.where(inside, self.first[row] + np.minimum(cell, self.cells[row] - 1), -1)


@dataclass(frozen=True)
class Visits:
    """The visits of one night, ordered by time; arrays of equal length."""

    field: NDArray[np.int64]
    band: NDArray[np.int64]
    """Index into the instrument's bands."""
    mjd: NDArray[np.float64]
    """Middle of the exposure, MJD TAI."""
    sequence: NDArray[np.int64]
    """Number within the night, from 1."""
    repeat: NDArray[np.int64]
    """0 for the first visit of a field in the night, 1 for the second."""
    depth: NDArray[np.float64]
    """5 sigma depth, AB magnitude."""
    seeing: NDArray[np.float64]
    """Full width at half maximum, arcsec."""

    def __len__(self) -> int:
        return len(self.field)


def plan_night(instrument: Instrument, fields: Fields, day: int, generator: np.random.Generator) -> Visits:
    """The visits of a night: each field in season every few nights, twice half an hour apart, near its transit."""
    dusk, dawn = day + 1 + instrument.dusk / 24.0, day + 1 + instrument.dawn / 24.0
    due = np.flatnonzero((np.arange(len(fields)) * 7 + day) % instrument.every == 0)
    sidereal = _SIDEREAL_AT_J2000 + _SIDEREAL * (dusk - 51544.5) + instrument.longitude
    # Days from dusk to transit, between -0.5 and 0.5 of a day around the middle of the night.
    transit = np.mod(fields.ra[due] - sidereal, 360.0) / _SIDEREAL
    transit = np.where(transit > 0.5 + (dawn - dusk) / 2, transit - 360.0 / _SIDEREAL, transit)
    reach = 3.5 / 24.0
    length = dawn - dusk - 0.03
    seen = (transit > -reach) & (transit < length + reach)
    chosen = due[seen]
    # In order of transit, evenly distributed over the night: two exposures never start together.
    place = np.argsort(np.argsort(transit[seen], kind="stable"), kind="stable")
    start = dusk + (place + generator.uniform(0.1, 0.9, len(chosen))) / max(len(chosen), 1) * length
    pair = np.array(instrument.pairs)[(chosen + day // instrument.every) % len(instrument.pairs)]
    mjd = np.concatenate([start, start + 33.0 / 1440.0 + generator.uniform(0.0, 0.003, len(chosen))])
    repeat = np.repeat([0, 1], len(chosen))
    band = np.concatenate([pair[:, 0], pair[:, 1]])
    seeing = np.clip(generator.lognormal(np.log(0.85 if instrument.pixel < 0.5 else 2.0), 0.2, 2 * len(chosen)), 0.5, 6)
    depth = np.array(instrument.depths)[band] + generator.normal(0.0, 0.15, 2 * len(chosen))
    order = np.argsort(mjd, kind="stable")
    return Visits(
        field=np.tile(chosen, 2)[order],
        band=band[order],
        mjd=(mjd + TAI_MINUS_UTC)[order],
        sequence=np.arange(1, 2 * len(chosen) + 1),
        repeat=repeat[order],
        depth=depth[order],
        seeing=seeing[order],
    )
