"""Calibration spectra have the lines of their source where gain and offset put them."""

from __future__ import annotations

import numpy as np
import pytest
from decoded_drafts import decoded

from broker_assets.telemetry import InstrumentDatabase
from broker_assets.telemetry.inputs.elut import DETECTORS, PIXELS
from broker_assets.telemetry.simulation import calibration
from broker_assets.telemetry.simulation.configuration import CONVERTER_STEPS, gains, offsets
from broker_assets.telemetry.simulation.sun import Sun

DAY = 8900


@pytest.mark.parametrize("day", [DAY, DAY + 30])
def test_the_strongest_channel_is_that_of_the_31_kev_lines(day: int) -> None:
    counts = calibration.expected(day)
    assert counts.shape == (DETECTORS, PIXELS, calibration.CHANNELS)
    energy = (np.arange(calibration.CHANNELS) + 0.5) * CONVERTER_STEPS
    at = (energy - offsets()[..., None]) * gains()[..., None]
    peak = np.take_along_axis(at, counts.argmax(axis=-1)[..., None], axis=-1)
    assert np.abs(peak - 30.9).max() < 0.5
    hard = np.where(at > 60, counts, 0.0)
    assert np.abs(np.take_along_axis(at, hard.argmax(axis=-1)[..., None], axis=-1) - 81.0).max() < 0.5


def test_gain_and_offset_wander_from_day_to_day() -> None:
    first, later = calibration.expected(DAY), calibration.expected(DAY + 14)
    assert np.abs(first - later).max() > 1.0
    np.testing.assert_array_equal(first, calibration.expected(DAY))


def test_a_packet_per_detector_with_all_pixels(open_database: InstrumentDatabase) -> None:
    drafts = list(calibration.of_day(Sun.of_days(1, [DAY]), DAY))
    assert len(drafts) == DETECTORS
    (structure,) = decoded(drafts, open_database).structures
    counts = structure.columns["NIX00158"]
    assert counts.value is not None
    total = np.array([counts.value[counts.of(row)].sum() for row in range(DETECTORS)])
    lowest = min(low for _, _, low in calibration.SUB_SPECTRA)
    expected = calibration.expected(DAY)[:, :, lowest:].sum(axis=(1, 2))
    np.testing.assert_allclose(total, expected, rtol=0.06)
