"""Kernels of the simulated spacecraft, as SPICE itself reads them."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pytest
import spiceypy

from broker_assets.telemetry.inputs.kernels import SPACECRAFT, Kernels
from broker_assets.telemetry.packets import clock
from broker_assets.telemetry.simulation.kernels import AU, ellipse, spacecraft_states, write_kernels

START, END, FLOWN = datetime.date(2024, 5, 11), datetime.date(2024, 5, 13), datetime.date(2024, 5, 14)
TICKS = clock.TICKS_PER_DAY * np.array([(day - datetime.date(2000, 1, 1)).days for day in (START, END)])


def written(folder: Path, **options: object) -> Kernels:
    values: dict[str, object] = {"start": START, "end": END, "flown": FLOWN}
    return Kernels.of_folder(write_kernels(folder, **(values | options)))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Kernels:
    return written(tmp_path_factory.mktemp("kernels"))


def test_orbits_are_those_that_were_meant(kernels: Kernels) -> None:
    times = kernels.clock.ephemeris_time(TICKS)
    wanted = spacecraft_states(times, 1)
    with kernels.use():
        for time, state in zip(times, wanted, strict=True):
            found, light = spiceypy.spkezr(str(SPACECRAFT), float(time), "ECLIPJ2000", "NONE", "SUN")
            assert found[:3] == pytest.approx(state[:3], abs=1.0)
            assert found[3:] == pytest.approx(state[3:], abs=1e-6)
            assert 0.29 < np.linalg.norm(found[:3]) / AU < 0.96
            assert light > 0


@pytest.mark.parametrize("eccentricity", [0.0, 0.2, 0.6])
def test_states_lie_on_the_ellipse_and_move_along_it(eccentricity: float) -> None:
    times = np.linspace(0, 3e7, 50)
    states = ellipse(times, 0.6 * AU, eccentricity, 1.0)
    distance = np.linalg.norm(states[:, :3], axis=1)
    assert distance.min() >= 0.6 * AU * (1 - eccentricity) * (1 - 1e-9)
    assert distance.max() <= 0.6 * AU * (1 + eccentricity) * (1 + 1e-9)
    momentum = np.cross(states[:, :3], states[:, 3:])[:, 2]
    assert momentum == pytest.approx(np.full(50, momentum[0]), rel=1e-9)
    step = 10.0
    moved = ellipse(times + step, 0.6 * AU, eccentricity, 1.0)[:, :3] - states[:, :3]
    assert moved / step == pytest.approx(states[:, 3:], abs=1e-2)


def test_the_clock_drifts_but_little_and_on_time(kernels: Kernels) -> None:
    ticks = TICKS[0] + np.arange(0, 2 * clock.TICKS_PER_DAY, clock.TICKS_PER_DAY // 50)
    days = kernels.clock.utc_day(ticks)
    assert {str(day) for day in days} <= {
        str(START - datetime.timedelta(days=1)),
        *(str(START + datetime.timedelta(days=n)) for n in range(3)),
    }
    rates = np.diff(kernels.clock.ephemeris_time(ticks)) / clock.seconds(np.diff(ticks))
    assert np.abs(rates - 1).max() < 1e-5
    off = kernels.clock.utc_seconds(ticks) - (clock.seconds(ticks) - 43200)
    assert np.abs(off).max() < 60


def test_seeds_make_other_clocks_and_orbits(kernels: Kernels, tmp_path: Path) -> None:
    again, other = written(tmp_path / "again"), written(tmp_path / "other", seed=2)
    time = kernels.clock.ephemeris_time(TICKS)
    assert again.clock.ephemeris_time(TICKS).tolist() == time.tolist()
    assert other.clock.ephemeris_time(TICKS).tolist() != time.tolist()


def test_a_later_version_corrects_the_clock_from_its_day_on(tmp_path: Path) -> None:
    before = written(tmp_path, clock_error=0.5)
    late = before.clock.ephemeris_time(TICKS)
    after = written(tmp_path, version=2)
    assert after.names != before.names
    assert late - after.clock.ephemeris_time(TICKS) == pytest.approx([0.5, 0.5], abs=1e-6)
    long_ago = TICKS - 100 * clock.TICKS_PER_DAY
    assert before.clock.ephemeris_time(long_ago) == pytest.approx(after.clock.ephemeris_time(long_ago), abs=1e-9)


def test_the_date_of_flown_kernels_is_that_of_their_name(kernels: Kernels) -> None:
    assert kernels.issued == np.datetime64(FLOWN)
    assert len(kernels.names) == 2
