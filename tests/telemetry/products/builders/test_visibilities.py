"""Visibilities of one packet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from single_packets import HEAD

from broker_assets.telemetry.products.product import Product

Maker = Callable[..., Product]


def test_visibilities(make: Maker) -> None:
    """Arrays are time, energy, detector; triggers time, accumulator."""
    bins, energies, detectors = 2, 2, 3
    values: dict[str, Any] = {
        **HEAD,
        "NIXD0008": 4,
        "NIXD0009": 3,
        "NIXD0007": 1,
        "NIXD0011": 4,
        "NIXD0012": 4,
        "NIX00403": bins,
    }
    values |= {"NIX00441": [0, 40], "NIX00401": [0, 0], "NIX00405": [40, 40], "NIX00407": [7, 7]}
    values |= {name: [1, 1] for name in ("NIXD0407", "NIXD0444", "NIXD0445", "NIXD0446", "NIXD0447")}
    values |= {f"NIX00{number}": [number - 242, number - 226] for number in range(242, 258)}
    values |= {"NIX00258": [energies] * bins, "NIXD0016": [4, 6] * bins, "NIXD0017": [5, 9] * bins}
    size = bins * energies * detectors
    values |= {"NIX00261": [1, 2, 3, 4], "NIX00262": [detectors] * 4, "NIX00100": [0, 1, 2] * 4}
    values |= {"NIX00263": list(range(size)), "NIX00264": [128 + n for n in range(size)]}
    product = make((21, 6, 23), values)
    assert product.data["real"].values.tolist() == np.arange(size).reshape(2, 2, 3).tolist()
    assert product.data["imaginary"].values.tolist() == (-np.arange(size)).reshape(2, 2, 3).tolist()
    assert product.data["flux"].values.tolist() == [[1, 2], [3, 4]]
    assert product.data["triggers"].values[0, :3].tolist() == [0, 1, 2]
    assert product.data["triggers"].values[1, 0] == 16
