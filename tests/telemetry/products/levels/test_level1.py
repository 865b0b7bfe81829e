"""Level L1 of answers to requests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from single_packets import pixel_values

from broker_assets.telemetry.packets import clock
from broker_assets.telemetry.products.levels.level0 import Inputs
from broker_assets.telemetry.products.levels.level1 import NOT_SHIFTED, SHIFTED, level1_of_request
from broker_assets.telemetry.products.product import Product, VersionRange

Maker = Callable[..., Product]


def test_shifted_time_bins(make: Maker, open_inputs: Inputs) -> None:
    """Before 2.26.36 lengths of one second are moved by one bin; other lengths are not."""
    assert open_inputs.kernels is not None
    old = (VersionRange("2.26.34", 0, 1),)
    values = pixel_values(4, step=10, NIX00405=[10, 20, 30, 40])
    product = replace(make((21, 6, 21), values), versions=old)
    repaired = level1_of_request(product.kind, product, open_inputs.kernels)
    assert SHIFTED in repaired.history
    assert (repaired.timedel / clock.TICKS_PER_SECOND).tolist() == [1.0, 2.0]
    assert repaired.data["counts"].values.tolist() == product.data["counts"].values[1:3].tolist()
    product = replace(make((21, 6, 21), pixel_values(4)), versions=old)
    assert NOT_SHIFTED in level1_of_request(product.kind, product, open_inputs.kernels).comments
    made = make((21, 6, 21), values)
    newer = level1_of_request(made.kind, made, open_inputs.kernels)
    assert len(newer.time) == 4
    assert newer.comments == ()
