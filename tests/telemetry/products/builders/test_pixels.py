"""Pixel data of one packet: cases that no golden file shows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from single_packets import HEAD, START, pixel_values

from broker_assets.telemetry.packets import clock
from broker_assets.telemetry.products.product import Product

Maker = Callable[..., Product]


def test_compressed_pixels_are_put_where_the_stream_says(make: Maker) -> None:
    """Stream: time, energy, detector, pixel; table: time, detector, pixel, energy."""
    product = make((21, 6, 21), pixel_values())
    counts = product.data["counts"].values
    expected = np.arange(24).reshape(2, 2, 2, 3).transpose(0, 2, 3, 1)
    assert counts.tolist() == expected.tolist()
    assert product.time.tolist() == [(START + 1) << 16, (START + 3) << 16]
    assert product.control["energy_bin_edge_mask"].values[0].nonzero()[0].tolist() == [4, 6, 10]
    assert product.energies is not None
    assert product.energies["e_low"].values.tolist() == [16, 24]
    assert product.data["pixel_masks"].values[0].nonzero()[0].tolist() == [0, 1, 4]


def test_time_bins_that_lack_an_energy_are_an_error(make: Maker) -> None:
    """The request is not whole."""
    values = pixel_values(NIX00258=[2, 1], NIXD0016=[4, 6, 4], NIXD0017=[5, 9, 5], NIX00259=[6] * 3)
    values["NIX00260"] = list(range(18))
    problem = "2 time bins and 2 energies need 4 groups of counts; there are 3"
    assert make((21, 6, 21), values, problem=problem) is None


def test_raw_pixels(make: Maker) -> None:
    """Times keep their tenths; every detector of the mask has a plane; channels have their numbers."""
    values = {**HEAD, "NIX00403": 2, "NIX00404": [6, 6], "NIX00401": [0, 0], "NIX00405": [7, 7]}
    values |= {"NIXD0407": [0xFFF] * 2, "NIX00407": [0b111] * 2, "NIX00406": [2, 1]}
    values |= {f"NIX00{number}": [1, 1] for number in range(408, 424)}
    values |= {"NIXD0158": [3, 4, 5], "NIXD0153": [0, 2, 2], "NIXD0154": [9, 30, 9], "NIXD0159": [0, 1, 2]}
    values |= {"NIX00065": [200, 1, 2]}
    product = make((21, 6, 20), values)
    counts = product.data["counts"].values
    assert counts.shape == (1, 3, 12, 2)
    assert [int(counts[0, 0, 3, 0]), int(counts[0, 2, 4, 1]), int(counts[0, 2, 5, 0])] == [1, 200, 258]
    assert clock.seconds(product.timedel).round(3).tolist() == [0.7]
    assert product.energies is not None
    assert product.energies["channel"].values.tolist() == [9, 30]
