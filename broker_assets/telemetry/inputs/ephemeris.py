"""Where the spacecraft is: the ephemeris keywords of calibrated products.

Geometric states (no aberration) relative to the Sun unless a comment says otherwise; frames as ESA's frame kernel
defines them. The Carrington longitude follows from the Stonyhurst one with the rotation of the Sun (IAU_SUN of the
planetary constants) at the time the light left it for the Earth.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import spiceypy

from broker_assets.telemetry.inputs.kernels import Kernels

Keyword = tuple[str, Any, str]
"""Name, value, comment."""

SOLAR_RADIUS: Final = 695_700.0
"""km; IAU 2015 Resolution B3."""
LIGHT: Final = 299_792.458
"""km/s."""
ARCSECONDS: Final = 180 / math.pi * 3600
_AXES: Final = ("X", "Y", "Z")


def millisecond_text(utc: np.datetime64) -> str:
    """UTC as the headers write it: ISO with milliseconds, nearest.

    Examples
    --------
    >>> millisecond_text(np.datetime64("2021-01-16T23:59:59.378999"))
    '2021-01-16T23:59:59.379'
    """
    return str((utc.astype("datetime64[us]") + np.timedelta64(500, "us")).astype("datetime64[ms]"))


def keywords(kernels: Kernels, average_utc: np.datetime64, start_utc: np.datetime64) -> list[Keyword]:
    """Ephemeris keywords of a product.

    Parameters
    ----------
    kernels : Kernels
    average_utc : datetime64
        Middle of the observation; the states are those of the millisecond that DATE-AVG shows.
    start_utc : datetime64
        Start of the observation.

    Returns
    -------
    list of (name, value, comment)
        Where the kernels do not cover the time or lack a frame, empty values and SPICE_ER.
    """
    names = ", ".join(kernels.names)
    with kernels.use():
        try:
            values = _values(float(spiceypy.utc2et(millisecond_text(average_utc))), start_utc)
        except spiceypy.utils.exceptions.SpiceyError:
            values = {}
    found: list[Keyword] = [("SPICE_MK", names, "SPICE meta kernel file")]
    found += [(name, values.get(name, ""), comment) for name, comment in COMMENTS.items()]
    if not values:
        found.append(("SPICE_ER", "1", "Pointing Data might be corrupt due to SPICE / time issues"))
    return found


def _state(frame: str, et: float, *, target: str = "SOLO", center: str = "SUN") -> np.ndarray[Any, Any]:
    state, _ = spiceypy.spkezr(target, et, frame, "None", center)
    return np.asarray(state) * 1000.0


def _values(et: float, start: np.datetime64) -> dict[str, Any]:
    equatorial = _state("SUN_EARTH_CEQU", et)
    distance, longitude, latitude = (float(value) for value in spiceypy.reclat(equatorial[:3]))
    sun_earth = float(np.linalg.norm(_state("J2000", et, target="EARTH")[:3])) / 1000.0
    # The time at which the light that the Earth sees now left the surface that faces it.
    emission = et - (sun_earth - SOLAR_RADIUS) / LIGHT
    earth = spiceypy.mxv(spiceypy.pxform("J2000", "IAU_SUN", emission), _state("J2000", et, target="EARTH")[:3])
    central_meridian = math.degrees(math.atan2(earth[1], earth[0]))
    values: dict[str, Any] = {
        "RSUN_ARC": math.asin(SOLAR_RADIUS * 1000.0 / distance) * ARCSECONDS,
        "HGLT_OBS": math.degrees(latitude),
        "HGLN_OBS": math.degrees(longitude),
        "CRLT_OBS": math.degrees(latitude),
        "CRLN_OBS": (math.degrees(longitude) + central_meridian) % 360.0,
        "DSUN_OBS": distance,
        # The component of the velocity along the line from the Sun.
        "OBS_VR": float(np.dot(equatorial[3:], equatorial[:3]) / distance),
    }
    for prefix, frame, center in (
        ("HEE", "SOLO_HEE", "SUN"),
        ("HCI", "SOLO_HCI", "SUN"),
        ("HAE", "SUN_ARIES_ECL", "SUN"),
        ("HEQ", "SOLO_HEEQ", "SUN"),
        ("GSE", "EARTH_SUN_ECL", "EARTH"),
    ):
        state = _state(frame, et, center=center)
        values |= {f"{prefix}{axis}_OBS": float(value) for axis, value in zip(_AXES, state[:3], strict=True)}
        if prefix == "HCI":
            values |= {f"{prefix}{axis}_VOB": float(value) for axis, value in zip(_AXES, state[3:], strict=True)}
    sun_time = distance / 1000.0 / LIGHT
    delay = sun_earth / LIGHT - sun_time
    values |= {
        "EAR_TDEL": delay,
        "SUN_TIME": sun_time,
        "DATE_EAR": millisecond_text(start + np.timedelta64(round(delay * 1e6), "us")),
        "DATE_SUN": millisecond_text(start - np.timedelta64(round(sun_time * 1e6), "us")),
    }
    return values


def _comments() -> dict[str, str]:
    comments = {
        "RSUN_ARC": "[arcsec] Apparent photospheric solar radius",
        "HGLT_OBS": "[deg] s/c heliographic latitude (B0 angle)",
        "HGLN_OBS": "[deg] s/c heliographic longitude",
        "CRLT_OBS": "[deg] s/c Carrington latitude (B0 angle)",
        "CRLN_OBS": "[deg] s/c Carrington longitude (L0 angle)",
        "DSUN_OBS": "[m] s/c distance from Sun",
    }
    for prefix, name in (
        ("HEE", "Heliocentric Earth Ecliptic"),
        ("HCI", "Heliocentric Inertial"),
        ("HAE", "Heliocentric Aries Ecliptic"),
        ("HEQ", "Heliocentric Earth Equatorial"),
        ("GSE", "Geocentric Solar Ecliptic"),
    ):
        comments |= {f"{prefix}{axis}_OBS": f"[m] s/c {name} {axis}" for axis in _AXES}
        if prefix == "HCI":
            comments |= {f"{prefix}{axis}_VOB": f"[m/s] s/c {name} {axis} Velocity" for axis in _AXES}
    return comments | {
        "OBS_VR": "[m/s] Radial velocity of spacecraft relative to Sun",
        "EAR_TDEL": "[s] Time(Sun to Earth) - Time(Sun to S/C)",
        "SUN_TIME": "[s] Time(Sun to s/c)",
        "DATE_EAR": "Start time of observation, corrected to Earth",
        "DATE_SUN": "Start time of observation, corrected to Sun",
    }


COMMENTS: Final = _comments()
"""Comment of each keyword, in the order of the header."""
