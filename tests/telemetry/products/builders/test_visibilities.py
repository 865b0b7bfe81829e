"""Visibilities of one packet."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from single_packets import visibility_values

from broker_assets.telemetry.products.product import Product

Maker = Callable[..., Product]
MakerOfAll = Callable[..., tuple[list[Product], list[str]]]


def test_visibilities(make: Maker) -> None:
    """Arrays are time, energy, detector; triggers time, accumulator."""
    product = make((21, 6, 23), visibility_values())
    assert product.data["real"].values.tolist() == np.arange(12).reshape(2, 2, 3).tolist()
    assert product.data["imaginary"].values.tolist() == (-np.arange(12)).reshape(2, 2, 3).tolist()
    assert product.data["flux"].values.tolist() == [[1, 2], [3, 4]]
    assert product.data["triggers"].values[0, :3].tolist() == [0, 1, 2]
    assert product.data["triggers"].values[1, 0] == 16


def test_energies_of_any_order_are_sorted_with_their_values(make: Maker) -> None:
    """The stream has the higher energy first; control says schemes and edges."""
    product = make((21, 6, 23), visibility_values(1, NIXD0016=[6, 4], NIXD0017=[9, 5]))
    assert product.data["flux"].values.tolist() == [[2, 1]]
    assert product.data["real"].values.tolist() == [[[3, 4, 5], [0, 1, 2]]]
    assert product.energies is not None
    assert product.energies["e_low"].values.tolist() == [16, 24]
    assert product.control["energy_bin_edge_mask"].values[0].nonzero()[0].tolist() == [4, 6, 10]
    assert product.control["compression_scheme_counts_skm"].values.tolist() == [[1, 4, 3]]
    assert product.control["compression_scheme_triggers_skm"].values.tolist() == [[0, 4, 4]]


def test_time_bins_with_other_energies_are_another_table(make_all: MakerOfAll) -> None:
    products, problems = make_all((21, 6, 23), visibility_values(NIXD0016=[4, 6, 4, 8], NIXD0017=[5, 9, 7, 9]))
    assert problems == []
    assert [product.data["flux"].values.tolist() for product in products] == [[[1, 2]], [[3, 4]]]
    tables = [product.energies or {} for product in products]
    assert [table["e_low"].values.tolist() for table in tables] == [[16, 24], [16, 32]]
