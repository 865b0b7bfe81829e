"""Housekeeping and default products: parameters as columns, with their calibrated values."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from single_packets import START

from broker_assets.telemetry.packets import clock
from broker_assets.telemetry.products.product import Product

Maker = Callable[..., Product]


def test_reports_have_raw_and_engineering_values(make: Maker) -> None:
    product = make((3, 25, 1), {"NIX00020": 1, "NIXD0025": 2000, "NIXD0001": 17})
    temperature = product.data["hk_dpu_pcb_t"]
    assert temperature.values.tolist() == [2000]
    assert temperature.parameter == "NIXD0025"
    assert temperature.engineering is not None
    assert (temperature.engineering_unit, temperature.engineering.shape) == ("K", (1,))
    assert temperature.calibrated().values.tolist() == temperature.engineering.tolist()
    assert product.data["sw_version_number"].values.tolist() == [17]
    assert product.data["sw_version_number"].calibrated() is product.data["sw_version_number"]
    assert "sid" not in product.data
    assert clock.seconds(product.time).tolist() == [START + 3600]
    assert product.timedel.tolist() == [0]


def test_any_other_packet_has_a_row_of_its_parameters(make: Maker) -> None:
    product = make((1, 1, None), {"NIX00001": 0x1DAC, "NIX00002": 0xC001})
    assert {name: column.values.tolist() for name, column in product.data.items() if name.startswith("tc_")} == {
        "tc_packet_id": [0x1DAC],
        "tc_packet_seq_control": [0xC001],
    }


def test_repeated_parameters_become_rows_of_an_array(make: Maker) -> None:
    product = make((239, 3, None), {"NIX00103": 3, "NIX00100": [4, 5, 6], "NIX00101": [1, 2, 3], "NIX00102": [7, 8, 9]})
    arrays = [column.values for column in product.data.values() if column.parameter == "NIX00100"]
    assert [array.tolist() for array in arrays] == [[[4, 5, 6]]]
    assert np.array([column.values.shape[0] for column in product.data.values()]).tolist() == [1] * len(product.data)
