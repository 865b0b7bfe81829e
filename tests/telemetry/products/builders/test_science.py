"""What the science products have in common, from packets made here."""

from __future__ import annotations

from collections.abc import Callable

from single_packets import pixel_values

from broker_assets.telemetry.inputs.requests import RequestTable
from broker_assets.telemetry.products.product import Product

Maker = Callable[..., Product]


def test_scaled_triggers_need_the_table_of_requests(make: Maker) -> None:
    """Divided by 27 · tenths · groups; inactive groups have no triggers; an unknown request is a problem by name."""
    values = pixel_values(NIXD0011=0, NIXD0012=7)
    table = RequestTable({1234567: [{"scaling_factor": "27"}]})
    product = make((21, 6, 21), values, table=table)
    triggers = product.data["triggers"].values[0]
    # Detector 1 is in group 1, detector 4 in group 8 (numbered from 1): accumulators 0 and 7.
    assert triggers.nonzero()[0].tolist() == [0, 7]
    assert triggers[7] == 7 * 27 * 20 + 0.5 * 27 * 20
    assert product.data["triggers_comp_err"].values[0, 0] == 270
    assert "trigger descaled with 27" in product.history
    assert ("TRIG_SCA", 27, "used trigger descale factor") in product.cards
    problem = "triggers of request 1234567 are scaled, but it is not in the table of requests"
    assert make((21, 6, 21), values, problem=problem) is None
