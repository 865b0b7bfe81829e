"""Rubin packets: each field in its column, what is absent as null, histories of their objects."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest

from broker_assets.packets.decoder import AlertDecoder
from broker_assets.packets.registry import SchemaFolder
from broker_assets.packets.surveys.rubin import NONDETECTION_SIGMA, RubinAdapter

VISITS = [(0, 61000.2), (1, 61000.3), (2, 61001.2)]


@pytest.fixture
def decoder(packets: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> AlertDecoder:
    folder = packets.write_schema_folder(tmp_path_factory.mktemp("schemas"))
    return AlertDecoder("rubin", "confluent", SchemaFolder(folder), topic="alerts")


def decoded(decoder: AlertDecoder, packets: ModuleType, *alerts: dict[str, Any]) -> Any:
    tables = decoder.decode(decoder.identify([packets.encode(alert) for alert in alerts]))
    assert tables.failures == []
    return tables


def test_rubin_is_recognised_by_the_name_of_its_time() -> None:
    adapter = RubinAdapter()
    assert adapter.recognises({"": ["diaSource.midpointMjdTai", "diaSource.ra"]})
    assert not adapter.recognises({"": ["diaSource.midPointTai"]}), "ELAsTiCC has another"


def test_the_trigger_and_its_history(decoder: AlertDecoder, packets: ModuleType) -> None:
    tables = decoded(decoder, packets, packets.alert(7, VISITS), packets.alert(8, VISITS[:1], history=False))
    sources = tables.source.to_pylist()
    assert [(row["packet"], row["diaobjectid"], row["trigger"]) for row in sources] == [
        (0, 7, True),
        (1, 8, True),
        (0, 7, False),
        (0, 7, False),
    ]
    given = packets.source(7, 2, VISITS[2][1])
    for field, column in (
        ("psfFlux", "psfflux"),
        ("dec", "decl"),
        ("midpointMjdTai", "midpointmjdtai"),
        ("band", "band"),
    ):
        assert sources[0][column] == pytest.approx(given[field]), column
    assert tables.forced_source["diaobjectid"].to_pylist() == [7, 7]
    [first, second] = tables.object.to_pylist()
    assert (first["diaobjectid"], first["lastdiasourcemjdtai"]) == (7, VISITS[2][1])
    assert (second["diaobjectid"], second["lastdiasourcemjdtai"]) == (8, VISITS[0][1])


def test_zero_and_null_both_mean_no_object(decoder: AlertDecoder, packets: ModuleType) -> None:
    alerts = [packets.alert(number, VISITS[:1]) for number in (7, 8, 9)]
    alerts[0]["diaSource"]["ssObjectId"] = 0
    alerts[1]["diaSource"]["ssObjectId"] = None
    alerts[2]["diaSource"]["ssObjectId"] = 42
    assert decoded(decoder, packets, *alerts).source["ssobjectid"].to_pylist() == [None, None, 42]


def test_limits_are_five_times_the_noise(decoder: AlertDecoder, packets: ModuleType) -> None:
    field = RubinAdapter.FIELDS["prvDiaNondetectionLimits.diaNoise"]
    assert not isinstance(field, tuple)
    import pyarrow as pa

    assert field.convert is not None
    noise = pa.array([2.5, None], pa.float32())
    assert field.convert(noise).to_pylist() == [2.5 * NONDETECTION_SIGMA, None]


def test_values_out_of_range_cost_themselves(decoder: AlertDecoder, packets: ModuleType) -> None:
    alert = packets.alert(7, VISITS)
    alert["prvDiaSources"][0]["midpointMjdTai"] = -1e9
    tables = decoded(decoder, packets, alert, packets.alert(8, VISITS))
    assert tables.source["diaobjectid"].to_pylist().count(7) == 2, "the point without a time is left out"
    assert tables.source["diaobjectid"].to_pylist().count(8) == 3
    assert np.isfinite(tables.source["midpointmjdtai"].to_numpy()).all()
