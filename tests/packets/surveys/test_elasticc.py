"""ELAsTiCC packets against what fastavro reads."""

import io
from typing import Any

import fastavro
import pytest

from broker_assets.packets.decoder import AlertDecoder
from broker_assets.packets.registry import SchemaFolder

pytestmark = pytest.mark.shared

SNANA = 10 ** ((31.4 - 27.5) / 2.5)


def test_test_alerts_with_fluxes_of_snana(alerts):
    messages = [path.read_bytes() for path in sorted((alerts / "elasticc").glob("*.avro"))]
    decoder = AlertDecoder("elasticc", "container")
    tables = decoder.decode(decoder.identify(messages))
    assert tables.failures == []
    rows: dict[int, list[dict[str, Any]]] = {}
    for row in tables.source.to_pylist():
        rows.setdefault(row["packet"], []).append(row)
    objects = {row["packet"]: row for row in tables.object.to_pylist()}
    for packet, message in enumerate(messages):
        record: Any = next(fastavro.reader(io.BytesIO(message)))
        sources = [record["diaSource"], *(record["prvDiaSources"] or [])]
        assert len(sources) == len(rows[packet])
        for row, source in zip(rows[packet], sources, strict=True):
            assert row["diasourceid"] == source["diaSourceId"]
            assert row["diaobjectid"] == source["diaObjectId"]
            assert row["midpointmjdtai"] == source["midPointTai"]
            assert row["band"] == source["filterName"].lower()
            assert row["psfflux"] == pytest.approx(source["psFlux"] * SNANA, rel=1e-6)
            assert row["psffluxerr"] == pytest.approx(source["psFluxErr"] * SNANA, rel=1e-6)
        assert objects[packet]["decl"] == record["diaObject"]["decl"]
        assert objects[packet]["ebv"] == record["diaObject"]["mwebv"]


def packet(**changes):
    source = {
        "diaSourceId": 5,
        "diaObjectId": 7,
        "midPointTai": 60278.5,
        "filterName": "Y",
        "ra": 62.5,
        "decl": -35.5,
        "psFlux": 1000.0,
        "psFluxErr": 10.0,
        "snr": 100.0,
    }
    forced = {
        "diaForcedSourceId": 9,
        "diaObjectId": 7,
        "midPointTai": 60270.5,
        "filterName": "g",
        "psFlux": -3.0,
        "psFluxErr": 1.0,
    }
    return {
        "alertId": 5,
        "diaSource": source,
        "prvDiaSources": [],
        "prvDiaForcedSources": [forced],
        "diaObject": None,
    } | changes


def test_the_stream_of_the_second_campaign(shared_folder):
    schemas = SchemaFolder(shared_folder / "data" / "desc_tom" / "avro" / "tom_desc_v0_9_1")
    file = io.BytesIO()
    fastavro.schemaless_writer(file, fastavro.parse_schema(schemas.for_topic(None)), packet())
    decoder = AlertDecoder("elasticc", "bare", schemas, topic="alerts-wfd")
    tables = decoder.decode(decoder.identify([file.getvalue()]))
    (source,), (forced,) = tables.source.to_pylist(), tables.forced_source.to_pylist()
    assert (source["psfflux"], source["band"], source["trigger"]) == (1000.0, "y", True)
    assert (forced["psfflux"], forced["diaforcedsourceid"], forced["diaobjectid"]) == (-3.0, 9, 7)
    assert tables.object.num_rows == 0


def test_limits_of_the_first_campaign(shared_folder):
    schemas = SchemaFolder(shared_folder / "data" / "desc_tom" / "avro" / "tom_desc_v0_9")
    record = packet(
        prvDiaForcedSources=None,
        prvDiaNondetectionLimits=[{"ccdVisitId": 3, "midPointTai": 60200.5, "filterName": "r", "diaNoise": 20.0}],
    )
    record["diaSource"]["ccdVisitId"] = 1
    file = io.BytesIO()
    fastavro.schemaless_writer(file, fastavro.parse_schema(schemas.for_topic(None)), record)
    decoder = AlertDecoder("elasticc", "bare", schemas)
    (limit,) = decoder.decode(decoder.identify([file.getvalue()])).nondetection.to_pylist()
    assert (limit["dianoise"], limit["diaobjectid"], limit["band"], limit["ccdvisitid"]) == (100.0, 7, "r", 3)
