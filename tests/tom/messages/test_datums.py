import datetime
import io

import fastavro
import pytest

from broker_assets.tom.messages.datums import CONTENT, read_datums
from broker_assets.tom.survey.schemas import classification_schema

WHEN = datetime.datetime(2023, 11, 1, 12, 30, 0, 5000, tzinfo=datetime.UTC)
MESSAGE = {
    "alertId": 155218500031,
    "diaSourceId": 155218500031,
    "elasticcPublishTimestamp": WHEN,
    "brokerIngestTimestamp": None,
    "brokerName": "Fink",
    "brokerVersion": "2.1",
    "classifierName": "SuperNNova",
    "classifierParams": "first",
    "classifications": [{"classId": 2222, "probability": 0.75}, {"classId": 0, "probability": 0.25}],
}
OLD = {name: value for name, value in MESSAGE.items() if not name.startswith("classifier")} | {
    "classifications": [
        {"classifierName": name, "classifierParams": "p", "classId": number, "probability": 0.5}
        for name, number in (("b", 111), ("a", 112), ("b", 113))
    ]
}


def datum(version="0.9.1", **changes):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(classification_schema(version)), (
        (MESSAGE if version == "0.9.1" else OLD) | changes
    ))  # fmt: skip
    return out.getvalue()


def test_messages_of_both_versions_and_others_are_read_at_once():
    read = read_datums([datum(), b"rubbish", datum("0.9"), datum(classifications=[]), datum()[:-3]])
    rows = read.rows.to_pylist()
    assert read.rows.schema == CONTENT
    assert [(row["message"], row["classifiername"], row["classifierparams"], row["classid"]) for row in rows] == [
        (0, "SuperNNova", "first", [2222, 0]), (2, "b", "p", [111, 113]), (2, "a", "p", [112]),
        (3, "SuperNNova", "first", []),
    ]  # fmt: skip
    assert rows[0] | {"classid": None} == {
        "message": 0, "alert_id": 155218500031, "diasource_id": 155218500031, "elasticcpublishtimestamp": WHEN,
        "brokeringesttimestamp": None, "brokername": "Fink", "brokerversion": "2.1", "classifiername": "SuperNNova",
        "classifierparams": "first", "classid": None, "probability": [0.75, 0.25], "document": None,
    }  # fmt: skip
    assert sorted(read.refused) == [1, 4]
    assert all(reason.startswith("the message is not a datum of version 0.9.1: ") for reason in read.refused.values())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"brokerName": "x" * 101}, "brokername is longer than 100 characters"),
        ({"classifierName": "x" * 201}, "classifiername is longer than 200 characters"),
        ({"classifications": [{"classId": 40000, "probability": 1.0}]}, "a classId does not fit 16 bits"),
        ({"classifications": [{"classId": 1, "probability": float("nan")}]}, "a probability is not finite"),
        ({"elasticcPublishTimestamp": -5}, "elasticcpublishtimestamp is not a time"),
        ({"brokerIngestTimestamp": 2**62}, "brokeringesttimestamp is not a time"),
    ],
)
def test_a_message_that_cannot_be_stored_says_why(changes, reason):
    read = read_datums([datum(), datum(**changes), datum()])
    assert read.rows["message"].to_pylist() == [0, 2]
    assert read.refused[1].startswith(reason)


def test_an_old_message_without_probabilities_names_no_classifier():
    read = read_datums([datum("0.9", classifications=[])], ["0.9"])
    assert read.refused == {0: "the message has no classification, and so names no classifier"}


def test_no_messages_are_no_rows():
    assert read_datums([]).rows.num_rows == 0
    assert read_datums([b""]).refused.keys() == {0}
