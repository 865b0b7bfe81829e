"""Ephemeris keywords over simulated kernels, against positions that astropy turns into the same frames."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import CartesianRepresentation, SkyCoord

from broker_assets.telemetry.inputs.ephemeris import LIGHT, SOLAR_RADIUS, keywords, millisecond_text
from broker_assets.telemetry.inputs.kernels import Kernels
from broker_assets.telemetry.simulation.kernels import AU, ellipse, spacecraft_states, write_kernels

DAY = datetime.date(2024, 5, 12)
NOON = np.datetime64("2024-05-12T12:00:00")
ET = 768_787_269.18
"""Noon, seconds TDB after J2000: 8898 days less half of one, 32.184 s and 37 leap seconds, within some milliseconds."""


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Kernels:
    folder = tmp_path_factory.mktemp("kernels")
    day = datetime.timedelta(days=1)
    return Kernels.of_folder(write_kernels(folder, start=DAY, end=DAY + day, flown=DAY + 3 * day))


@pytest.fixture(scope="module")
def found(kernels: Kernels) -> dict[str, Any]:
    return {name: value for name, value, _ in keywords(kernels, NOON, NOON)}


def angle(one: float, other: float) -> float:
    """Difference of two directions, degrees."""
    return abs((one - other + 180) % 360 - 180)


def test_distances_and_light_times(found: dict[str, Any]) -> None:
    spacecraft = np.linalg.norm(spacecraft_states(np.array([ET]), 1)[0, :3])
    earth = np.linalg.norm(ellipse(np.array([ET]), AU, 0.0167, 6.24)[0, :3])
    assert found["DSUN_OBS"] == pytest.approx(spacecraft * 1000, rel=1e-6)
    assert found["RSUN_ARC"] == pytest.approx(np.degrees(np.arcsin(SOLAR_RADIUS / spacecraft)) * 3600, rel=1e-6)
    assert found["SUN_TIME"] == pytest.approx(spacecraft / LIGHT, rel=1e-6)
    assert found["EAR_TDEL"] == pytest.approx((earth - spacecraft) / LIGHT, abs=1e-3)
    for keyword, seconds in (("DATE_EAR", found["EAR_TDEL"]), ("DATE_SUN", -found["SUN_TIME"])):
        shifted = (np.datetime64(found[keyword]) - NOON) / np.timedelta64(1, "s")
        assert shifted == pytest.approx(seconds, abs=0.001)


def test_ecliptic_vectors_are_rotations_of_one_position(found: dict[str, Any]) -> None:
    """The distance is the same in all frames about the Sun; HAE is the ecliptic of the orbit itself."""
    state = spacecraft_states(np.array([ET]), 1)[0] * 1000
    for frame in ("HCI", "HAE", "HEE", "HEQ"):
        vector = [found[f"{frame}{axis}_OBS"] for axis in "XYZ"]
        assert np.linalg.norm(vector) == pytest.approx(found["DSUN_OBS"], rel=1e-9)
    assert abs(found["HAEZ_OBS"]) < 1e-4 * found["DSUN_OBS"], "both orbits lie in the ecliptic"
    assert abs(found["HEEZ_OBS"]) < 1e-4 * found["DSUN_OBS"]
    speed = [found[f"HCI{axis}_VOB"] for axis in "XYZ"]
    assert np.linalg.norm(speed) == pytest.approx(np.linalg.norm(state[3:]), rel=1e-3)
    assert found["OBS_VR"] == pytest.approx(np.dot(state[:3], state[3:]) / np.linalg.norm(state[:3]), rel=1e-3)


def test_heliographic_latitude_is_that_above_the_solar_equator(found: dict[str, Any]) -> None:
    """The pole of the Sun is at right ascension 286.13, declination 63.87 degrees (IAU 2015)."""
    position = SkyCoord(
        CartesianRepresentation(spacecraft_states(np.array([ET]), 1)[0, :3] * units.km),
        frame="barycentricmeanecliptic",
    ).icrs
    pole = SkyCoord(286.13 * units.deg, 63.87 * units.deg)
    direction = SkyCoord(position.spherical.lon, position.spherical.lat)
    latitude = 90 - direction.separation(pole).deg
    assert found["HGLT_OBS"] == pytest.approx(latitude, abs=0.02)
    assert found["CRLT_OBS"] == found["HGLT_OBS"]


def test_longitudes_are_counted_from_the_earth(found: dict[str, Any]) -> None:
    """Stonyhurst longitude is the angle to the Earth, to second order in the tilt of the equator."""
    states = [spacecraft_states(np.array([ET]), 1)[0], ellipse(np.array([ET]), AU, 0.0167, 6.24)[0]]
    here, earth = (np.degrees(np.arctan2(state[1], state[0])) for state in states)
    assert angle(found["HGLN_OBS"], here - earth) < 0.5
    heeq = np.degrees(np.arctan2(found["HEQY_OBS"], found["HEQX_OBS"]))
    assert angle(heeq, found["HGLN_OBS"]) < 0.01
    assert 0 <= found["CRLN_OBS"] < 360


def test_times_without_kernels_have_empty_values(kernels: Kernels) -> None:
    late = np.datetime64("2030-01-01T00:00:00")
    found = {name: value for name, value, _ in keywords(kernels, late, late)}
    assert found["SPICE_ER"] == "1"
    assert {value for name, value in found.items() if name not in ("SPICE_ER", "SPICE_MK")} == {""}


def test_kernels_are_named(found: dict[str, Any], kernels: Kernels) -> None:
    assert found["SPICE_MK"] == ", ".join(kernels.names)
    assert "SPICE_ER" not in found


@pytest.mark.parametrize(("micro", "text"), [(499, ".000"), (500, ".001"), (999_500, "12:00:01.000")])
def test_milliseconds_are_the_nearest(micro: int, text: str) -> None:
    assert millisecond_text(NOON.astype("datetime64[us]") + np.timedelta64(micro, "us")).endswith(text)
