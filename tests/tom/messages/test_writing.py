import io

import fastavro
import pyarrow as pa

from broker_assets.tom.messages.datums import read_datums
from broker_assets.tom.messages.writing import classification_datums
from broker_assets.tom.survey.schemas import classification_schema


def row(number, classes):
    return {
        "alert_id": number, "diasource_id": number + 1, "elasticcpublishtimestamp": 1_700_000_000_000,
        "brokeringesttimestamp": None if number % 2 else 1_700_000_000_001, "brokername": "B", "brokerversion": "v",
        "classifiername": "C", "classifierparams": "é", "classid": classes, "probability": [0.5] * len(classes),
    }  # fmt: skip


def test_datums_are_those_of_fastavro_and_are_read_back():
    rows = [row(1, [2222, 0]), row(2, []), row(3, [111])]
    datums = classification_datums(pa.Table.from_pylist(rows))
    schema = fastavro.parse_schema(classification_schema(times=False))
    for given, datum in zip(rows, datums, strict=True):
        out = io.BytesIO()
        fastavro.schemaless_writer(
            out, schema,
            {
                "alertId": given["alert_id"], "diaSourceId": given["diasource_id"],
                "elasticcPublishTimestamp": given["elasticcpublishtimestamp"],
                "brokerIngestTimestamp": given["brokeringesttimestamp"], "brokerName": "B", "brokerVersion": "v",
                "classifierName": "C", "classifierParams": "é",
                "classifications": [{"classId": one, "probability": 0.5} for one in given["classid"]],
            },
        )  # fmt: skip
        assert out.getvalue() == datum
    read = read_datums(datums)
    assert read.refused == {}
    assert read.rows["classid"].to_pylist() == [[2222, 0], [], [111]]
