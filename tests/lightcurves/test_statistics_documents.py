"""Statistics of alerts as documents."""

from __future__ import annotations

from typing import Any

import alert_packets
import pytest

from broker_assets.lightcurves.alert_json import NotAnAlert
from broker_assets.lightcurves.statistics_documents import of_alerts, of_tables
from broker_assets.packets.decoder import AlertDecoder
from broker_assets.packets.registry import schema_source


def point(days: float, flux: float = 10.0, band: str = "g", **more: Any) -> dict[str, Any]:
    return {"midpointMjdTai": 61000.0 + days, "psfFlux": flux, "psfFluxErr": 1.0, "band": band, **more}


def test_an_alert_has_its_bands_and_all_of_them() -> None:
    alert = {
        "diaObject": {"diaObjectId": 7},
        "diaSourcesList": [point(1.0, 12.0), point(2.0, 14.0), point(2.0, 30.0, "r")],
        "diaForcedSourcesList": [point(0.5, 1.0), point(1.0, 11.0)],
        "diaNondetectionLimitsList": [{"midpointMjdTai": 61000.2, "diaNoise": 5.0, "band": "g"}],
    }
    [(key, newest, document)] = of_alerts([alert])
    assert (key, newest, set(document)) == (7, 61002.0, {"diaObjectId", "g", "r", "all"})
    assert document["g"]["nPoints"] == 3
    assert document["g"]["lastLimitBefore"] == 5.0
    assert document["g"]["amplitude"] == 6.5
    assert document["all"]["nForced"] == 1


def test_alerts_without_a_name_are_apart() -> None:
    assert len({key for key, _, _ in of_alerts([{"diaSourcesList": [point(1.0)]}] * 2)}) == 2


@pytest.mark.parametrize(
    ("alert", "problem"),
    [
        ({}, "alert 1 has no list"),
        ({"diaSourcesList": [{"psfFlux": 1.0}]}, "has no midpointMjdTai"),
        ({"diaSourcesList": [point(1.0) | {"psfFlux": "bright"}]}, "cannot be read"),
    ],
)
def test_what_is_no_alert_is_named(alert: dict[str, Any], problem: str) -> None:
    with pytest.raises(NotAnAlert, match=problem):
        list(of_alerts([alert]))


def test_packets_with_an_object() -> None:
    visits = [(number, 61000.2 + number) for number in range(4)]
    repeating = alert_packets.alert(7, visits)
    repeating["prvDiaSources"] = [*(repeating["prvDiaSources"] or []), repeating["diaSource"]]
    alone = alert_packets.alert(8, visits[:1])
    alone["diaSource"] |= {"diaObjectId": None, "ssObjectId": 5}
    alone["diaObject"] = None
    decoder = AlertDecoder("rubin", "confluent", schema_source())
    tables = decoder.decode(decoder.identify([alert_packets.encode(item) for item in (alone, repeating)]))
    [(key, newest, document)] = of_tables(tables)
    assert (key, newest) == (7, visits[-1][1])
    assert document["all"]["nDetections"] == 4
