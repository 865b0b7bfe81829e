"""Aspect bursts of one packet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from single_packets import START

from broker_assets.telemetry.packets import clock
from broker_assets.telemetry.products.product import Product

Maker = Callable[..., Product]


@pytest.mark.parametrize(("summing", "averaging"), [(16, 1), (8, 4)])
def test_a_row_for_each_sample_at_its_centre(make: Maker, summing: int, averaging: int) -> None:
    samples = 5
    values: dict[str, Any] = {
        "NIX00445": START,
        "NIX00446": 32768,
        "NIX00490": averaging,
        "NIX00088": summing,
        "NIX00089": samples,
    }
    values |= {f"NIX0009{diode}": [100 * diode + n for n in range(samples)] for diode in range(4)}
    product = make((21, 6, 42), values)
    length = summing * averaging / 1000
    expected = START + 0.5 + (np.arange(samples) + 0.5) * length
    assert clock.seconds(product.time) == pytest.approx(expected, abs=1 / 65536)
    assert clock.seconds(product.timedel) == pytest.approx(np.full(samples, length), abs=1 / 65536)
    for diode, name in enumerate(("cha_diode0", "cha_diode1", "chb_diode0", "chb_diode1")):
        assert product.data[name].values.tolist() == [100 * diode + n for n in range(samples)]
    assert product.control["summing_value"].values.tolist() == [summing]
    assert product.control["averaging_value"].values.tolist() == [averaging]
    assert product.published() is product, "samples are multiples of a millisecond: times are not rounded"
