"""Position of a moving target from its orbital elements: two-body motion, without perturbations by planets.

Accurate to arcseconds for months around the epoch of the elements: enough for altitudes, but not for pointing a
telescope, which needs an ephemeris service.
"""

from __future__ import annotations

import datetime
import threading
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_GM_SUN: Final = 1.32712440041e11
"""GM of the Sun, km³/s² (DE440, rounded; IAU 2015 Resolution B3 has its first eight digits)."""
_AU: Final = 149597870.7
"""Astronomical unit, km (IAU 2012 Resolution B2)."""
_LIGHT: Final = 299792.458
"""Speed of light, km/s (exact)."""
_OBLIQUITY: Final = np.radians(84381.448 / 3600)
"""Obliquity of the J2000 ecliptic to which orbital elements refer, radians (IAU 1976)."""
_DAY: Final = 86400.0
_SPICE: Final = threading.Lock()
"""CSPICE is not thread-safe."""


class NoOrbit(ValueError):
    """The elements do not determine a position; the message says what is missing."""


def position_at(scheme: str, elements: Mapping[str, float | None], when: datetime.datetime) -> tuple[float, float]:
    """Astrometric geocentric position: corrected for light time, without aberration.

    Parameters
    ----------
    scheme : str
        One of `fields.SCHEMES`, which determines the elements.
    elements : mapping
        Values of `fields.ELEMENTS`: degrees, au, MJD TT; ecliptic and equinox of J2000.
    when : datetime.datetime
        With a time zone.

    Returns
    -------
    (float, float)
        Right ascension and declination, degrees, ICRS.

    Raises
    ------
    NoOrbit
        If elements are missing, or do not describe an orbit.
    """
    from astropy.coordinates import get_body_barycentric
    from astropy.time import Time

    orbit = _orbit(scheme, elements)
    clock = Time(when.astimezone(datetime.UTC).replace(tzinfo=None), scale="utc").tdb
    sun, earth = (np.asarray(get_body_barycentric(name, clock).xyz.to_value("km")) for name in ("sun", "earth"))
    towards = np.zeros(3)
    light_days = 0.0
    for _ in range(3):
        towards = _heliocentric(orbit, clock.mjd - light_days) + sun - earth
        light_days = float(np.linalg.norm(towards)) / _LIGHT / _DAY
    ra = float(np.degrees(np.arctan2(towards[1], towards[0]))) % 360.0
    return ra, float(np.degrees(np.arcsin(towards[2] / np.linalg.norm(towards))))


def _orbit(scheme: str, elements: Mapping[str, float | None]) -> Floats:
    """The eight numbers that CSPICE calls conic elements: q, e, i, Ω, ω, M₀, t₀ (days), GM."""
    names = ["inclination", "lng_asc_node", "arg_of_perihelion", "eccentricity"]
    comet = scheme == "MPC_COMET"
    names += ["perihdist", "epoch_of_perihelion"] if comet else ["semimajor_axis", "mean_anomaly", "epoch_of_elements"]
    values = {name: elements.get(name) for name in names}
    missing = [name for name, value in values.items() if value is None]
    if missing:
        raise NoOrbit(f"{missing[0]}: without it there is no position")
    known = {name: float(value) for name, value in values.items() if value is not None}
    eccentricity = known["eccentricity"]
    nearest = known["perihdist"] if comet else known["semimajor_axis"] * (1 - eccentricity)
    if not nearest > 0:
        raise NoOrbit("semimajor_axis and eccentricity are those of no orbit: the perihelion would be in the Sun")
    anomaly, epoch = (
        (0.0, known["epoch_of_perihelion"]) if comet else (known["mean_anomaly"], known["epoch_of_elements"])
    )
    angles = [known["inclination"], known["lng_asc_node"], known["arg_of_perihelion"], anomaly]
    return np.array([nearest * _AU, eccentricity, *np.radians(angles), epoch * _DAY, _GM_SUN])


def _heliocentric(orbit: Floats, mjd: float) -> Floats:
    """Heliocentric position, km, ICRS."""
    import spiceypy
    from spiceypy.utils.exceptions import SpiceyError

    try:
        with _SPICE:
            x, y, z = spiceypy.conics(orbit, mjd * _DAY)[:3]
    except SpiceyError as error:
        raise NoOrbit(f"the elements give no position at this time: {error.short}") from None
    if not np.isfinite([x, y, z]).all():
        raise NoOrbit("the elements give no position at this time: it is too far away")
    cosine, sine = np.cos(_OBLIQUITY), np.sin(_OBLIQUITY)
    return np.array([x, cosine * y - sine * z, sine * y + cosine * z])
