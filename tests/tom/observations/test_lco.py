"""The dialogue with an Observation Portal: what is sent, what is understood, and what is said when it fails."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from broker_assets.settings.tom import FacilitySettings
from broker_assets.tom.observations.facility import BadRequest, Order, Refused, Unavailable
from broker_assets.tom.observations.lco import Lco

pytestmark = pytest.mark.database
TARGET = {"name": "SN 2026x", "type": "SIDEREAL", "ra": 150.1, "dec": 2.2, "pm_ra": 1.5, "epoch": None}


def order(bench: Any, **change: Any) -> Order:
    return Order(7, "broker-7-abc", TARGET, bench.lco.check(TARGET, bench.given | change), "ann")


def test_a_request_as_the_portal_has_it(bench: Any) -> None:
    document = bench.lco.document(order(bench))
    assert (document["name"], document["operator"], document["ipp_value"]) == ("broker-7-abc", "SINGLE", 1.05)
    [request] = document["requests"]
    assert request["windows"] == [{"start": "2026-12-01T00:00:00Z", "end": "2026-12-05T00:00:00Z"}]
    assert request["location"] == {"telescope_class": "2m0"}
    [configuration] = request["configurations"]
    assert configuration["target"] == {
        "name": "SN 2026x", "type": "ICRS", "ra": 150.1, "dec": 2.2, "proper_motion_ra": 1.5,
        "proper_motion_dec": 0.0, "parallax": 0.0, "epoch": 2000.0,
    }  # fmt: skip
    assert configuration["instrument_configs"][0]["optical_elements"] == {"slit": "slit_1.6as"}
    assert configuration["acquisition_config"] == {"mode": "WCS"}
    comet = {"name": "1P", "type": "NON_SIDEREAL", "scheme": "MPC_COMET", "elements": {"perihdist": 0.6}}
    moved = Order(8, "x", comet, bench.lco.check(comet, bench.given | {"configuration_type": "EXPOSE"}), "ann")
    target = bench.lco.document(moved)["requests"][0]["configurations"][0]["target"]
    assert target == {"name": "1P", "type": "ORBITAL_ELEMENTS", "scheme": "MPC_COMET", "perihdist": 0.6}
    for wrong, why in (
        ({"end": "2026-11-01"}, "end: it is before"),
        ({"optical_element": "rp"}, "optical_element: write 'rp' as filter=rp"),
    ):
        with pytest.raises(BadRequest, match=why):
            order(bench, **wrong)
    with pytest.raises(BadRequest, match="target: it has neither"):
        bench.lco.check({"name": "x"}, bench.given)


def test_what_the_portal_answers(bench: Any) -> None:
    lco, wanted, portal = bench.lco, order(bench), bench.portal
    assert lco.find(wanted) is None
    remote = lco.place(wanted)
    assert lco.find(wanted) == remote
    assert lco.find(Order(7, "broker-7", TARGET, wanted.parameters, "ann")) is None  # a part of the name
    placed = Order(7, wanted.name, TARGET, wanted.parameters, "ann", remote)
    assert (lco.look(placed).state, lco.look(placed).said, lco.products(placed)) == ("placed", "PENDING", [])
    portal.finish(int(remote))
    seen = lco.look(placed)
    assert (seen.state, seen.begins) == ("completed", datetime.datetime(2026, 12, 2, 3, tzinfo=datetime.UTC))
    first, second = lco.products(placed)
    assert lco.fetch(second, 1000) == f"frame {second.name}".encode()
    with pytest.raises(Unavailable, match="more than 3 bytes"):
        lco.fetch(first, 3)
    # The store of the frames does not see our token.
    assert {token for _, path, token in portal.seen if path.startswith("/store/")} == {""}
    with pytest.raises(Refused, match="does not cancel it: errors: The request is COMPLETED"):
        lco.cancel(placed)
    for state, ours in (("WINDOW_EXPIRED", "expired"), ("CANCELED", "cancelled"), ("FAILURE_LIMIT_REACHED", "expired")):
        portal.groups[int(remote)]["state"] = state
        assert lco.look(placed).state == ours


def test_failures_say_what_to_do(bench: Any) -> None:
    with pytest.raises(Refused, match='the portal refuses it: proposal: Invalid proposal "X"'):
        bench.lco.place(order(bench, proposal="X"))
    bench.portal.fail = 1
    with pytest.raises(Unavailable, match="HTTP 502"):
        bench.lco.place(order(bench))
    without = Lco(FacilitySettings(name="LCO", url=bench.portal.url))
    with pytest.raises(Unavailable, match="refuses our token \\(HTTP 401\\)"):
        without.place(order(bench))
    with pytest.raises(Unavailable, match="ConnectionError"):
        Lco(FacilitySettings(name="LCO", url="http://127.0.0.1:9")).place(order(bench))
