import io
from typing import Any

import fastavro
import numpy as np
import pytest

from broker_assets.packets.reader import PacketReader
from broker_assets.tom.survey.alerts import AlertWriter, documents
from broker_assets.tom.survey.schemas import UnknownSchema, alert_schema


def ids_of(curves):
    return np.asarray(curves.sources["diasource_id"])


def test_datums_are_those_that_fastavro_writes_of_the_documents(small_curves):
    ids = ids_of(small_curves)
    schema = fastavro.parse_schema(alert_schema())
    for datum, document in zip(
        AlertWriter(small_curves).write(ids, ids), documents(small_curves, ids, ids), strict=True
    ):
        out = io.BytesIO()
        fastavro.schemaless_writer(out, schema, document)
        assert out.getvalue() == datum


def test_the_first_campaigns_schema_has_the_same_values(small_curves):
    ids = ids_of(small_curves)
    schema = fastavro.parse_schema(alert_schema("0.9"))
    for datum, document in zip(
        AlertWriter(small_curves, "0.9").write(ids, ids), documents(small_curves, ids, ids), strict=True
    ):
        stream = io.BytesIO(datum)
        read: Any = fastavro.schemaless_reader(stream, schema, None)
        assert stream.tell() == len(datum)
        assert read["cutoutDifference"] is None
        assert read["prvDiaNondetectionLimits"] == []
        assert document["diaObject"].items() <= read["diaObject"].items()
        assert [one["psFlux"] for one in document["prvDiaForcedSources"]] == [
            one["totFlux"] for one in read["prvDiaForcedSources"]
        ]


def test_the_platform_reads_them(small_curves):
    import json

    ids = ids_of(small_curves)
    reader = PacketReader(json.dumps(alert_schema()), {"": ["alertId", "diaSource.midPointTai"]}, to_end=True)
    table = reader.read(AlertWriter(small_curves).write(ids, ids)).tables[""]
    assert table["alertId"].to_pylist() == ids.tolist()


@pytest.mark.shared
def test_an_alert_of_the_shared_simulation(simulated_curves):
    datum = AlertWriter(simulated_curves).write(np.array([155218500011]), np.array([155218500011]))[0]
    alert: Any = fastavro.schemaless_reader(io.BytesIO(datum), alert_schema(), None)
    source = alert["diaSource"]
    assert (source["midPointTai"], source["psFlux"], source["psFluxErr"]) == (
        60281.0959, pytest.approx(4440.86, abs=0.01), pytest.approx(256.23, abs=0.01),
    )  # fmt: skip


def test_a_document_names_the_last_band_as_the_survey_does(small_curves):
    document = documents(small_curves, np.array([1]), np.array([700003]))[0]
    assert document["alertId"] == 1
    assert "hostgal_mag_Y" in document["diaObject"]
    assert "isddf" not in document["diaObject"]
    assert document["prvDiaForcedSources"] == []


def test_an_unknown_version_is_refused(small_curves):
    with pytest.raises(UnknownSchema):
        AlertWriter(small_curves, "0.8")
