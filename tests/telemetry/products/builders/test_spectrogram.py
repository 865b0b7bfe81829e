"""Spectrograms of one packet."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from single_packets import START, spectrogram_values

from broker_assets.telemetry.packets import clock
from broker_assets.telemetry.products.product import Product

Maker = Callable[..., Product]


def test_bins_end_where_the_next_begins_and_blocks_at_their_closing_time(make: Maker) -> None:
    product = make((21, 6, 24), spectrogram_values([[0, 10, 30], [40, 50]], [10, 25]))
    assert clock.seconds(product.timedel).round(3).tolist() == [1.0, 2.0, 1.0, 1.0, 2.5]
    begins = clock.seconds(product.time - product.timedel // 2) - START
    assert begins.round(3).tolist() == [0.0, 1.0, 3.0, 4.0, 5.0]
    assert product.data["counts"].values.tolist() == np.arange(15).reshape(5, 3).tolist()
    assert product.data["rcr"].values.tolist() == [0, 0, 0, 1, 1]
    assert product.control["energy_bin_edge_mask"].values[0].nonzero()[0].tolist() == [2, 4, 6, 8]
    assert product.energies is not None
    assert product.energies["e_low"].values.tolist() == [8, 16, 24]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"NIX00441": [0, 20, 10, 40, 50]}, "time bins of a block do not follow one another"),
        (
            {"NIX00270": [3, 2, 3, 3, 3], "NIX00268": list(range(14))},
            "time bins differ in their number of energies: [2, 3]",
        ),
    ],
)
def test_what_makes_no_table_is_said(make: Maker, change: dict[str, object], problem: str) -> None:
    values = spectrogram_values([[0, 10, 30], [40, 50]], [10, 25], **change)
    assert make((21, 6, 24), values, problem=problem) is None
