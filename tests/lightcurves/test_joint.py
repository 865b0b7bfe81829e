"""One light curve in several surveys: systems apart, statistics of deviations together."""

from __future__ import annotations

import numpy as np
import pytest
from stored_points import NOON, alert, connect, forced

from broker_assets.lightcurves.joined_curves import Columns, JoinedCurves
from broker_assets.lightcurves.joint import SYSTEMS, joint_light_curve, joint_statistics


def test_bands_of_one_letter_are_apart_and_their_means_are_no_variability() -> None:
    """Rubin's r is at 1000 nJy, ZTF's r at 3000, Rubin's g at 0: all constant."""
    time = np.arange(30.0)
    owner, band = np.arange(30) % 3, np.array([2, 2, 1])[np.arange(30) % 3]
    flux = np.array([1000.0, 3000.0, 0.0])[owner]
    curves = JoinedCurves.of(3, Columns(owner, time, flux, np.full(30, 10.0), band))
    found = joint_statistics(curves, np.array([1, 2, 1], np.int16))
    assert set(found) == {"rubin", "ztf", "all"}
    assert set(found["rubin"]) == {"g", "r", "all"}, "two objects of Rubin are one light curve"
    assert found["rubin"]["r"]["weightedMean"] == 1000.0
    assert found["ztf"]["r"]["weightedMean"] == 3000.0
    everything = found["all"]
    assert (everything["nPoints"], everything["nDetections"], everything["nForced"]) == (30, 30, 0)
    assert everything["amplitude"] == pytest.approx(0.0, abs=1e-6)
    assert everything["mean"] is everything["bazinAmplitude"] is everything["nLimitsBefore"] is None


def test_together_they_show_what_one_alone_does_not() -> None:
    random = np.random.default_rng(2)
    time = 61000.0 + np.sort(random.uniform(0, 60, 60))
    owner = np.arange(60) % 2
    flux = 500.0 * owner + 100.0 * np.sin(2 * np.pi * time / 3.3) + random.normal(0, 10.0, 60)
    curves = JoinedCurves.of(2, Columns(owner, time, flux, np.full(60, 10.0), np.full(60, 1)))
    found = joint_statistics(curves, np.array([1, 2], np.int16))
    assert found["all"]["period"] == pytest.approx(3.3, rel=0.01)
    assert found["all"]["periodSN"] > found["rubin"]["all"]["periodSN"]
    assert joint_statistics(JoinedCurves.of(1, Columns.none()), np.array([1], np.int16)) == {}


@pytest.mark.database
def test_the_stored_light_curve_by_survey(database_url: str) -> None:
    for number, days in ((2, 0.4), (1, 0.3)):
        alert(database_url, 3, number, days, psfflux=100.0 * number)
    alert(database_url, 8, 11, 0.35, survey=2, band="r")
    forced(database_url, 3, 31, 0.1)
    with connect(database_url) as connection:
        found = joint_light_curve(connection, {8: 2, 3: 1}, features=True)
        assert "features" not in joint_light_curve(connection, {3: 1})
    assert set(found["surveys"]) == {"rubin", "ztf"}
    rubin, ztf = found["surveys"]["rubin"], found["surveys"]["ztf"]
    assert (rubin["system"], rubin["objects"], ztf["objects"]) == (SYSTEMS["rubin"], [3], [8])
    assert rubin["sources"]["diasourceid"].to_pylist() == [1, 2]
    assert rubin["forced_sources"]["midpointmjdtai"].to_pylist() == pytest.approx([NOON + 0.1])
    assert ztf["sources"]["band"].to_pylist() == ["r"]
    assert (found["features"]["rubin"]["g"]["nPoints"], found["features"]["ztf"]["r"]["nPoints"]) == (3, 1)
    assert found["features"]["all"]["nForced"] == 1
