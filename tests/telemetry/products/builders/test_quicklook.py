"""Quick-look products of one packet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from single_packets import START

from broker_assets.telemetry.products.product import Product

Maker = Callable[..., Product]


def test_scaled_quick_look_triggers(make: Maker) -> None:
    """The example of the contract, chapter 2.3."""
    values: dict[str, Any] = {"NIX00445": START, "NIX00405": 39, "NIX00407": 0xFFFFFFFF, "NIXD0102": 5, "NIXD0103": 3}
    values |= {"NIXD0105": 0, "NIXD0106": 7, "NIX00266": 0b1010, "NIX00270": 1, "NIX00271": [5]}
    values |= {"NIX00272": [1] * 5, "NIX00273": 5, "NIX00274": [0, 3, 6, 9, 12], "NIX00275": 5, "NIX00276": [0] * 5}
    product = make((21, 6, 30), values)
    assert product.data["triggers"].values.tolist() == [9600, 67200, 124800, 182400, 240000]
    assert product.data["triggers_comp_err"].values.tolist() == [9600] * 5


def test_flare_list(make: Maker) -> None:
    """A row per flare, the counters repeated."""
    values: dict[str, Any] = {"NIX00285": 5, "NIX00286": 6, "NIX00294": 2, "NIX00287": [10, 20], "NIX00288": [11, 21]}
    values |= {"NIX00289": [1, 2], "NIX00290": [2**32 - 1, 1], "NIX00291": [-3, 3], "NIX00292": [-4, 4]}
    values |= {"NIX00293": [1, 0]}
    product = make((21, 6, 43), values)
    assert product.data["ubsd"].values.tolist() == [5, 5]
    assert product.data["tm_byte_volume"].values.tolist() == [2**32 - 1, 1]
    assert product.data["average_z_loc"].values.tolist() == [-3, 3]
