"""How well an observatory sees objects in a night: airmass, hours, distance from the Moon.

Refraction, the precession of the pole since 2000 (below 0.2° until 2030), and UT1 − UTC are neglected: the last would
need a table from the network.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TWILIGHT: Final = -18.0
"""Altitude of the Sun below which a night is dark, degrees."""
WORST_AIRMASS: Final = 2.0
"""Largest airmass at which hours are counted."""
STEP: Final = datetime.timedelta(minutes=10)
_STEPS: Final = 145
_DEGREES_PER_HOUR: Final = 15.0


@dataclass(frozen=True)
class Observatory:
    """An observatory."""

    name: str
    longitude: float
    """Degrees, east of Greenwich."""
    latitude: float
    """Degrees."""

    def midnight(self, evening: datetime.date) -> datetime.datetime:
        """Mean local midnight after the evening of a date, UTC.

        Examples
        --------
        >>> OBSERVATORIES[5].midnight(datetime.date(2026, 12, 1)).isoformat(timespec="minutes")
        '2026-12-02T04:41+00:00'
        """
        begin = datetime.datetime.combine(evening, datetime.time(), datetime.UTC)
        return begin + datetime.timedelta(days=1, hours=-self.longitude / _DEGREES_PER_HOUR)


OBSERVATORIES: Final = (
    Observatory("Cerro Pachón", -70.749, -30.245),
    Observatory("La Palma", -17.890, 28.760),
    Observatory("La Silla", -70.738, -29.257),
    Observatory("Maunakea", -155.478, 19.826),
    Observatory("Palomar", -116.865, 33.356),
    Observatory("Paranal", -70.404, -24.627),
    Observatory("Siding Spring", 149.066, -31.273),
    Observatory("Sutherland", 20.811, -32.379),
)
"""Observatories to choose from."""


@dataclass(frozen=True)
class Visibility:
    """Visibility of objects from an observatory in a night; arrays have a value for each object."""

    begin: datetime.datetime | None
    """End of evening twilight, UTC; None if the night is never dark."""
    end: datetime.datetime | None
    """Beginning of morning twilight, UTC."""
    moon: float
    """Illuminated fraction of the Moon in the middle of the night, 0 to 1."""
    airmass: Floats
    """Smallest airmass while it is dark; NaN if the object is not up."""
    hours: Floats
    """Dark hours in which the airmass is at most `WORST_AIRMASS`."""
    separation: Floats
    """Distance from the Moon in the middle of the night, degrees."""


def visibility(observatory: Observatory, ra: Floats, dec: Floats, when: datetime.datetime) -> Visibility:
    """Compute the visibility between the local noon before a time and the next.

    Parameters
    ----------
    observatory : Observatory
        The observatory.
    ra, dec : (n,) float64 array
        Positions, degrees, ICRS.
    when : datetime.datetime
        With a time zone.

    Returns
    -------
    Visibility

    Examples
    --------
    >>> when = datetime.datetime(2026, 6, 21, 4, tzinfo=datetime.UTC)
    >>> seen = visibility(OBSERVATORIES[0], np.array([270.0, 270.0]), np.array([-30.245, 80.0]), when)
    >>> seen.airmass.round(2), seen.hours.round(1)
    (array([ 1., nan]), array([9.3, 0. ]))
    """
    sky = sky_of_night(observatory, when)
    times, dark, middle = sky.times, sky.dark, sky.middle
    mass = airmasses(observatory, sky, ra, dec)
    mass[~dark] = np.nan
    usable = np.where(np.isnan(mass), np.inf, mass)
    best = usable.min(axis=0, initial=np.inf)
    return Visibility(
        times[int(np.flatnonzero(dark)[0])] if dark.any() else None,
        times[int(np.flatnonzero(dark)[-1])] if dark.any() else None,
        sky.illuminated,
        np.where(np.isinf(best), np.nan, best),
        (usable <= WORST_AIRMASS).sum(axis=0) * (STEP / datetime.timedelta(hours=1)),
        _separation(ra, dec, float(sky.moon_ra[middle]), float(sky.moon_dec[middle])),
    )


@dataclass(frozen=True)
class NightSky:
    """The Sun and the Moon over an observatory, at the times of a night; arrays have a value for each time."""

    times: list[datetime.datetime]
    """Times from noon to noon, every `STEP`, UTC."""
    rotation: Floats
    """Rotation angle of the Earth at the observatory, degrees, from the equinox of 2000."""
    dark: NDArray[np.bool_]
    """Whether the Sun is below `TWILIGHT`."""
    middle: int
    """Index of the middle of the dark times."""
    moon_ra: Floats
    """Degrees, ICRS."""
    moon_dec: Floats
    moon_altitude: Floats
    """Degrees."""
    illuminated: float
    """Illuminated fraction of the Moon in the middle of the night, 0 to 1."""


def sky_of_night(observatory: Observatory, when: datetime.datetime) -> NightSky:
    """The Sun and the Moon between the local noon before a time and the next; computed once for each night.

    Parameters
    ----------
    observatory : Observatory
        The observatory.
    when : datetime.datetime
        With a time zone.
    """
    return _sky(observatory, _between_noons(observatory, when)[0])


@lru_cache(maxsize=256)
def _sky(observatory: Observatory, noon: datetime.datetime) -> NightSky:
    from astropy.coordinates import get_body, get_sun
    from astropy.time import Time
    from astropy.utils import iers

    times = [noon + number * STEP for number in range(_STEPS)]
    clock = Time([time.replace(tzinfo=None) for time in times], scale="utc")
    clock.delta_ut1_utc = 0.0
    # A request must not wait for a download.
    with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("iers_degraded_accuracy", "ignore"):
        # Right ascensions count from the equinox of 2000, so precession is not part of this angle.
        rotation = np.asarray(clock.earth_rotation_angle(observatory.longitude).deg)
        sun, moon = get_sun(clock), get_body("moon", clock)
    sun_ra, sun_dec, moon_ra, moon_dec = (np.asarray(one.deg) for one in (sun.ra, sun.dec, moon.ra, moon.dec))
    dark = _altitude(observatory, rotation, sun_ra, sun_dec) < TWILIGHT
    middle = int(np.flatnonzero(dark).mean()) if dark.any() else _STEPS // 2
    # The Moon is so near that its phase follows from its angular distance from the Sun.
    elongation = np.radians(_separation(sun_ra[middle], sun_dec[middle], moon_ra[middle], moon_dec[middle]))
    above = _altitude(observatory, rotation, moon_ra, moon_dec)
    return NightSky(times, rotation, dark, middle, moon_ra, moon_dec, above, float((1 - np.cos(elongation)) / 2))


def airmasses(observatory: Observatory, sky: NightSky, ra: Floats, dec: Floats) -> Floats:
    """Airmass of each object at each time of a night, (times, objects); NaN below the horizon."""
    return airmass(_altitude(observatory, sky.rotation[:, None], ra[None, :], dec[None, :]))


def _between_noons(observatory: Observatory, when: datetime.datetime) -> list[datetime.datetime]:
    solar = datetime.timedelta(hours=observatory.longitude / _DEGREES_PER_HOUR)
    local = when.astimezone(datetime.UTC) + solar
    noon = local.replace(hour=12, minute=0, second=0, microsecond=0)
    if local < noon:
        noon -= datetime.timedelta(days=1)
    return [noon - solar + number * STEP for number in range(_STEPS)]


def _altitude(observatory: Observatory, rotation: Floats, ra: Floats, dec: Floats) -> Floats:
    """Altitude, degrees."""
    latitude, declination = np.radians(observatory.latitude), np.radians(dec)
    sine = np.sin(latitude) * np.sin(declination)
    sine = sine + np.cos(latitude) * np.cos(declination) * np.cos(np.radians(rotation - ra))
    result: Floats = np.degrees(np.arcsin(np.clip(sine, -1, 1)))
    return result


def airmass(altitude: Floats) -> Floats:
    """Airmass (Pickering 2002, DIO 12, 20); NaN below the horizon.

    Parameters
    ----------
    altitude : float64 array
        Degrees.

    Examples
    --------
    >>> airmass(np.array([90.0, 30.0, 0.0, -1.0])).round(2)
    array([ 1.  ,  1.99, 38.75,   nan])
    """
    up = np.where(altitude >= 0, altitude, np.nan)
    result: Floats = 1 / np.sin(np.radians(up + 244 / (165 + 47 * up**1.1)))
    return result


def _separation(ra: Floats, dec: Floats, other_ra: float, other_dec: float) -> Floats:
    """Distance on the sky, degrees."""
    first, second = np.radians(dec), np.radians(other_dec)
    haversine = np.sin((first - second) / 2) ** 2
    haversine = haversine + np.cos(first) * np.cos(second) * np.sin(np.radians(ra - other_ra) / 2) ** 2
    result: Floats = np.degrees(2 * np.arcsin(np.sqrt(np.clip(haversine, 0, 1))))
    return result
