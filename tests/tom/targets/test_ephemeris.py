"""Positions from orbital elements, compared with those of planets, whose elements come from their motion."""

from __future__ import annotations

import datetime

import numpy as np
import pytest
import spiceypy
from astropy.coordinates import get_body_barycentric, get_body_barycentric_posvel
from astropy.time import Time

from broker_assets.tom.targets.ephemeris import _AU, _GM_SUN, NoOrbit, position_at
from broker_assets.tom.targets.fields import ELEMENTS

EPOCH = datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC)
OBLIQUITY = np.radians(84381.448 / 3600)
TO_ECLIPTIC = np.array(
    [[1, 0, 0], [0, np.cos(OBLIQUITY), np.sin(OBLIQUITY)], [0, -np.sin(OBLIQUITY), np.cos(OBLIQUITY)]]
)


def clock(when: datetime.datetime) -> Time:
    return Time(when.replace(tzinfo=None), scale="utc").tdb


def elements_of(planet: str) -> dict[str, float | None]:
    """Osculating elements of a planet at the epoch."""
    at = clock(EPOCH)
    motion = [get_body_barycentric_posvel(name, at) for name in (planet, "sun")]
    place, speed = (
        TO_ECLIPTIC @ (motion[0][part] - motion[1][part]).xyz.to_value(unit) for part, unit in ((0, "km"), (1, "km/s"))
    )
    nearest, eccentricity, inclination, node, argument, anomaly = spiceypy.oscelt(
        np.concatenate([place, speed]), 0.0, _GM_SUN
    )[:6]
    return {
        "semimajor_axis": nearest / (1 - eccentricity) / _AU, "eccentricity": eccentricity,
        "inclination": np.degrees(inclination), "lng_asc_node": np.degrees(node),
        "arg_of_perihelion": np.degrees(argument), "mean_anomaly": np.degrees(anomaly), "epoch_of_elements": at.mjd,
        "perihdist": nearest / _AU,
        # When the mean anomaly is 0: the period follows from the third law.
        "epoch_of_perihelion": at.mjd
        - anomaly / np.sqrt(_GM_SUN / (nearest / (1 - eccentricity)) ** 3) / 86400,
    }  # fmt: skip


def seen(planet: str, when: datetime.datetime) -> tuple[float, float]:
    """Where it is seen from the centre of the Earth, by the ephemeris of astropy."""
    at = clock(when)
    earth = get_body_barycentric("earth", at).xyz.to_value("km")
    towards = get_body_barycentric(planet, at).xyz.to_value("km") - earth
    for _ in range(3):
        before = Time(at.mjd - np.linalg.norm(towards) / 299792.458 / 86400, format="mjd", scale="tdb")
        towards = get_body_barycentric(planet, before).xyz.to_value("km") - earth
    x, y, z = towards / np.linalg.norm(towards)
    return float(np.degrees(np.arctan2(y, x))) % 360, float(np.degrees(np.arcsin(z)))


@pytest.mark.parametrize("scheme", ["MPC_MINOR_PLANET", "MPC_COMET", "JPL_MAJOR_PLANET"])
@pytest.mark.parametrize(("planet", "days", "arcsec"), [("mars", 0, 0.1), ("mars", 10, 5), ("jupiter", 10, 5)])
def test_a_planet_is_where_its_elements_say(scheme: str, planet: str, days: int, arcsec: float) -> None:
    when = EPOCH + datetime.timedelta(days=days)
    ra, dec = position_at(scheme, elements_of(planet), when)
    expected_ra, expected_dec = seen(planet, when)
    assert abs(dec - expected_dec) * 3600 < arcsec
    assert abs(ra - expected_ra) * np.cos(np.radians(dec)) * 3600 < arcsec


def test_without_an_orbit_there_is_no_position() -> None:
    whole = elements_of("mars")
    with pytest.raises(NoOrbit, match="mean_anomaly: without it"):
        position_at("MPC_MINOR_PLANET", whole | {"mean_anomaly": None}, EPOCH)
    with pytest.raises(NoOrbit, match="those of no orbit"):
        position_at("MPC_MINOR_PLANET", whole | {"eccentricity": 1.5}, EPOCH)


@pytest.mark.parametrize("eccentricity", [0.0, 1.0, 1.0 + 1e-12, 99.0])
@pytest.mark.parametrize("epoch", [-1e6, 1e7])
def test_elements_at_the_limits_are_an_orbit_or_none(eccentricity: float, epoch: float) -> None:
    limits = dict.fromkeys(ELEMENTS, 0.0) | {"eccentricity": eccentricity, "epoch_of_perihelion": epoch}
    for distance in (1e-9, 1e4):
        try:
            found = position_at("MPC_COMET", limits | {"perihdist": distance}, EPOCH)
        except NoOrbit:
            continue
        assert np.isfinite(found).all()


def test_a_hyperbolic_comet_has_a_position() -> None:
    orbit = elements_of("mars") | {"eccentricity": 1.2, "perihdist": 0.5, "epoch_of_perihelion": 61192.0}
    ra, dec = position_at("MPC_COMET", orbit, EPOCH)
    assert 0 <= ra < 360
    assert -90 <= dec <= 90
