"""Quick-look packets cover their day once."""

from __future__ import annotations

import numpy as np
import pytest
from decoded_drafts import decoded, within

from broker_assets.telemetry import InstrumentDatabase
from broker_assets.telemetry.simulation import quicklook
from broker_assets.telemetry.simulation.drafts import chunks
from broker_assets.telemetry.simulation.sun import BANDS, SECONDS_PER_DAY, Sun

DAY = 8900


@pytest.fixture(scope="module")
def sun() -> Sun:
    return Sun.of_days(3, [DAY, DAY + 1])


def test_light_curves_have_every_bin_once(sun: Sun, open_database: InstrumentDatabase) -> None:
    drafts = list(quicklook.light_curves(sun, DAY))
    (structure,) = decoded(drafts, open_database).structures
    starts = structure.columns["NIX00445"].raw
    samples = structure.columns["NIX00275"].raw
    assert samples.sum() * quicklook.LIGHT_CURVE_SECONDS == SECONDS_PER_DAY
    assert starts[0] == DAY * SECONDS_PER_DAY
    np.testing.assert_array_equal(starts[1:], (starts + samples * quicklook.LIGHT_CURVE_SECONDS)[:-1])
    assert within(drafts, DAY, late=60)
    assert len(drafts) == len(list(chunks(SECONDS_PER_DAY // quicklook.LIGHT_CURVE_SECONDS, quicklook.SAMPLES)))


def test_counts_are_those_of_the_sun(sun: Sun, open_database: InstrumentDatabase) -> None:
    (structure,) = decoded(quicklook.light_curves(sun, DAY), open_database).structures
    counts = structure.columns["NIX00272"]
    assert counts.value is not None
    total = sum(
        counts.value[counts.of(row)].reshape(len(BANDS), -1).sum(axis=1) for row in range(len(structure.packets))
    )
    middle = DAY * SECONDS_PER_DAY + np.arange(2.0, SECONDS_PER_DAY, 4.0)
    rates = sun.rates(middle)
    expected = np.array([rates[:, first:after].sum() * 4.0 for first, after in BANDS])
    np.testing.assert_allclose(np.asarray(total), expected, rtol=0.05)


def test_the_same_day_is_the_same_whatever_other_days_there_are(sun: Sun) -> None:
    assert list(quicklook.of_day(sun, DAY)) == list(quicklook.of_day(Sun.of_days(3, [DAY, DAY + 1]), DAY))
    assert list(quicklook.of_day(sun, DAY)) != list(quicklook.of_day(Sun.of_days(4, [DAY, DAY + 1]), DAY))


def test_every_kind_can_be_decoded(sun: Sun, open_database: InstrumentDatabase) -> None:
    drafts = list(quicklook.of_day(sun, DAY))
    batch = decoded(drafts, open_database)
    assert {structure.key for structure in batch.structures} >= {(21, 6, ssid) for ssid in (30, 31, 32, 33, 34)}
    assert sum(len(structure.packets) for structure in batch.structures) == len(drafts)
