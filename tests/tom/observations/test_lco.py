"""The dialogue with an Observation Portal: what is sent, what is understood, and what is said when it fails."""

from __future__ import annotations

import contextlib
import datetime
import traceback
from pathlib import Path
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


def test_windows_are_of_any_time_zone(bench: Any) -> None:
    # As texts, the end would be before the beginning.
    parameters = order(bench, start="2026-12-02T05:00Z", end="2026-12-02T03:00-10:00").parameters
    [request] = bench.lco.document(Order(7, "x", TARGET, parameters, "ann"))["requests"]
    assert request["windows"] == [{"start": "2026-12-02T05:00:00Z", "end": "2026-12-02T13:00:00Z"}]
    with pytest.raises(BadRequest, match="end: it is before"):
        order(bench, start="2026-12-02T03:00-10:00", end="2026-12-02T05:00Z")


OTHER_FORMS: list[Any] = [{}, [], "x", None, {"id": None}, {"id": {}}, {"id": 1, "requests": 5}]
OTHER_FORMS += [{"id": 1, "requests": [{}]}, {"results": [5]}, {"results": [{"name": "broker-7-abc"}]}]
OTHER_FORMS += [{"results": [], "next": 5}]


@pytest.mark.parametrize("document", OTHER_FORMS)
def test_answers_of_another_form_are_no_answers(bench: Any, document: Any) -> None:
    bench.portal.instead = (200, document)
    placed = Order(7, "broker-7-abc", TARGET, order(bench).parameters, "ann", "1000")
    said = []
    for step in (bench.lco.find, bench.lco.place, bench.lco.look, bench.lco.products):
        # Whatever else is raised would end the run.
        with contextlib.suppress(Unavailable):
            said.append(step(placed))
    assert len(said) < 4


def test_errors_in_any_form_are_refusals(bench: Any) -> None:
    bench.portal.instead = (400, ["You may not", {"proposal": ["ask"]}])
    with pytest.raises(Refused, match="the portal refuses it: You may not, proposal: ask"):
        bench.lco.place(order(bench))


@pytest.mark.parametrize("token", ["secret1\nsecret2", "secret1\u2019", "secret1\rX: y"])
def test_a_token_from_a_wrong_file_is_named_to_nobody(bench: Any, token: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(token)
    lco = Lco(FacilitySettings(name="LCO", url=bench.portal.url, token_file=tmp_path / "token"))
    with pytest.raises(Unavailable, match="read from a wrong file") as raised:
        lco.place(order(bench))
    assert "secret" not in "".join(traceback.format_exception(raised.value))


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
