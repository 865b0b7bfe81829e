"""The simulated Sun: reproducible, positive, with flares that peak where they say."""

from __future__ import annotations

import numpy as np
import pytest

from broker_assets.telemetry.simulation.sun import BANDS, CHANNELS, SECONDS_PER_DAY, Sun, bands, generator

DAYS = [9262, 9263]


@pytest.fixture(scope="module")
def sun() -> Sun:
    return Sun.of_days(4, DAYS)


def low(rates: np.ndarray) -> np.ndarray:
    return np.asarray(rates[:, slice(*BANDS[0])].sum(axis=1))


def test_days_do_not_depend_on_one_another(sun: Sun) -> None:
    """A mission of one day is the same as that day in a longer one; another seed is another Sun."""
    alone = Sun.of_days(4, DAYS[1:])
    begin = DAYS[1] * SECONDS_PER_DAY
    assert alone.flares == tuple(flare for flare in sun.flares if flare.start >= begin)
    assert Sun.of_days(5, DAYS).flares != sun.flares
    first, second = generator(1, 2, "a").random(5), generator(1, 2, "b").random(5)
    assert not np.array_equal(first, second)


def test_flares_rise_to_their_peak_and_end(sun: Sun) -> None:
    assert sun.flares
    for flare in sun.flares:
        times = np.arange(flare.start - 60, flare.end + 60, 1.0)
        rate = low(flare.rates(times))
        assert (rate >= 0).all()
        assert rate[times < flare.start].max() == 0
        assert abs(times[rate.argmax()] - flare.peak) < 60
        assert rate.max() == pytest.approx(flare.size, rel=0.5)
        assert rate[times >= flare.end].max() < 0.02 * rate.max()
        # Soft X-rays outlast hard ones.
        hard = flare.rates(times)[:, -8:].sum(axis=1)
        assert times[hard.argmax()] <= times[rate.argmax()]


def test_what_is_measured_is_background_and_flares_behind_the_attenuator(sun: Sun) -> None:
    times = np.arange(DAYS[0] * SECONDS_PER_DAY, (DAYS[0] + 1) * SECONDS_PER_DAY, 60.0)
    measured, background = sun.rates(times), sun.background(times)
    assert measured.shape == (len(times), CHANNELS)
    assert (measured >= background).all()
    assert (background > 0).all()
    inside = sun.attenuator(times)
    assert 0 < inside.mean() < 0.1, "the large flare of a day moves it in for a while"
    for begin, end in sun.attenuated:
        assert begin < end
        assert sun.attenuator(np.array([begin - 1, begin, end - 1, end])).tolist() == [False, True, True, False]
    flares = sum(flare.rates(times) for flare in sun.flares)
    weakened = (measured - background)[inside] / np.maximum(np.asarray(flares)[inside], 1e-9)
    assert weakened[:, 0].max() < 0.3


def test_the_active_flare_is_the_largest(sun: Sun) -> None:
    for flare in sun.flares:
        found = sun.active(flare.start)
        assert found is not None
        assert found.size >= flare.size
    assert sun.active(DAYS[0] * SECONDS_PER_DAY - 1e6) is None


def test_bands_are_sums_of_channels() -> None:
    rates = np.random.default_rng(1).random((3, CHANNELS))
    found = bands(rates)
    assert found.shape == (3, len(BANDS))
    assert found[:, 2] == pytest.approx(rates[:, slice(*BANDS[2])].sum(axis=1))
