"""Ecliptic coordinates."""

from __future__ import annotations

import math
from typing import Final

OBLIQUITY: Final = 84381.406 / 3600.0
"""Mean obliquity of the ecliptic at J2000.0, degrees (IAU 2006 precession; Hilton et al. 2006, CeMDA 94, 351)."""


def ecliptic(ra: float, dec: float) -> tuple[float, float]:
    """Longitude and latitude with respect to the mean ecliptic and equinox of J2000.0.

    Parameters
    ----------
    ra, dec : float
        ICRS, degrees. The frame bias to the equator of J2000.0, 23 mas, is left out.

    Returns
    -------
    longitude, latitude : float
        Degrees; the longitude in [0, 360).

    Examples
    --------
    >>> [round(value, 3) for value in ecliptic(90.0, 25.0)]
    [90.0, 1.561]
    """
    angle, height, tilt = math.radians(ra), math.radians(dec), math.radians(OBLIQUITY)
    x = math.cos(height) * math.cos(angle)
    y = math.cos(tilt) * math.cos(height) * math.sin(angle) + math.sin(tilt) * math.sin(height)
    z = math.cos(tilt) * math.sin(height) - math.sin(tilt) * math.cos(height) * math.sin(angle)
    return math.degrees(math.atan2(y, x)) % 360.0, math.degrees(math.asin(min(max(z, -1.0), 1.0)))
