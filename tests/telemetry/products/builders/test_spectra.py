"""Quick-look spectra of one packet: samples of single detectors put together to cycles."""

from __future__ import annotations

from collections.abc import Callable

from single_packets import SPECTRUM_SECONDS, START, spectra_values

from broker_assets.telemetry.packets import clock
from broker_assets.telemetry.products.product import Product

Maker = Callable[..., Product]


def test_a_row_begins_where_the_detector_number_falls(make: Maker) -> None:
    product = make((21, 6, 32), spectra_values(START, [30, 31, 0, 1, 2]))
    counts = product.data["spectra"].values
    assert counts.shape == (2, 32, 32)
    filled = [sorted(set(row.any(axis=1).nonzero()[0].tolist())) for row in counts]
    assert filled == [[30, 31], [0, 1, 2]]
    assert counts[0, 30].tolist() == [(30 + energy) % 16 for energy in range(32)]
    assert clock.seconds(product.time - product.timedel // 2).tolist() == [START, START + 2 * SPECTRUM_SECONDS]
    # Places without a sample have the numbers of the sample before, at the beginning those of the first.
    assert product.data["detector_index"].values[1, :5].tolist() == [0, 1, 2, 2, 2]
    assert product.data["detector_index"].values[0, :31].tolist() == [30] * 31


def test_a_sample_that_was_sent_twice_counts_once(make: Maker) -> None:
    product = make((21, 6, 32), spectra_values(START, [4, 5, 5], [0, 1, 1]))
    assert product.data["spectra"].values.shape[0] == 1
    assert product.data["spectra"].values[0, 5].tolist() == [(5 + energy) % 16 for energy in range(32)]


def test_a_gap_of_more_than_a_cycle_begins_a_row(make: Maker) -> None:
    product = make((21, 6, 32), spectra_values(START, [3, 4], [0, 40]))
    assert product.data["spectra"].values.shape[0] == 2
