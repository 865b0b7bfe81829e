"""Level L0: packets into products, and what cannot be used left out with its reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from single_packets import START, lightcurve_values, pixel_values

from broker_assets.telemetry.packets import clock
from broker_assets.telemetry.products.files.tables import rows
from broker_assets.telemetry.products.product import Product

CURVE, PIXELS = (21, 6, 30), (21, 6, 21)
MakerOfAll = Callable[..., tuple[list[Product], list[str]]]


def test_packets_of_a_day_become_one_product(make_all: MakerOfAll) -> None:
    [product], problems = make_all(CURVE, *(lightcurve_values(START + 8 * n, [1, 5, 9]) for n in range(3)))
    assert problems == []
    assert (product.level, rows(product.data), rows(product.control)) == ("L0", 6, 3)
    assert product.time.tolist() == sorted(product.time.tolist())
    assert product.start == START * clock.TICKS_PER_SECOND
    assert product.data["control_index"].values.tolist() == [0, 0, 1, 1, 2, 2]
    assert [version.version for version in product.versions] == ["3.0.0"]


def test_order_and_repetition_of_packets_change_nothing(make_all: MakerOfAll) -> None:
    curves = [lightcurve_values(START + 8 * n, [1, 5, 9]) for n in range(3)]
    counts = {"counts": [1, 2, 3], "times": [0, 1, 2]}
    [straight], _ = make_all(CURVE, *curves, **counts)
    [turned], _ = make_all(CURVE, *curves[::-1], counts=[3, 2, 1], times=[2, 1, 0])
    [twice], _ = make_all(CURVE, *curves, curves[0], counts=[1, 2, 3, 1], times=[0, 1, 2, 0])
    for other in (turned, twice):
        assert other.data.keys() == straight.data.keys()
        for name, column in straight.data.items():
            assert other.data[name].values.tolist() == column.values.tolist(), name


def test_an_answer_to_a_request_has_its_number(make_all: MakerOfAll) -> None:
    [product], problems = make_all(PIXELS, pixel_values())
    assert problems == []
    assert product.request == (50001, 1234567)
    assert rows(product.data) == 2


def test_a_packet_that_asks_for_too_much_is_left_out(make_all: MakerOfAll) -> None:
    """Every other product of its packets is made."""
    broken: dict[str, Any] = lightcurve_values(START + 8, [1, 5, 9]) | {"NIX00271": [2, 1], "NIX00272": [1] * 3}
    found, problems = make_all(CURVE, lightcurve_values(START, [1, 5, 9]), broken)
    assert len(problems) == 1
    assert [rows(product.data) for product in found] == [2]
