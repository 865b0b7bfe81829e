import io
import json

import broker_messages as sent
import fastavro
import numpy as np

from broker_assets.settings.surveys import BrokerSettings
from broker_assets.stream.broker_messages import BrokerStream, broker_of, read_messages
from broker_assets.stream.messages import Message
from broker_assets.tom.messages.storing import MESSAGES
from broker_assets.tom.survey.fake_broker import ReceivedAlert, answers

LARGEST = 10_000
ALERTS = [ReceivedAlert(5, 5, 1_700_000_000_000)]


def stream(kind, topic="topic", **settings):
    return BrokerStream("name", topic, BrokerSettings(kind=kind, topics=[topic], **settings))


def message(value, offset=0, key=None, time_ms=1_700_000_000_500):
    return Message(3, offset, time_ms, key, value)


def test_a_stream_is_named_by_broker_and_topic():
    assert stream("fink").name == "broker.name.topic"
    assert broker_of("broker.name.topic.with.dots") == ("name", "topic.with.dots")
    assert broker_of("annotator.name.topic") is None


def test_datums_have_the_place_and_time_of_their_message():
    datums = answers(ALERTS, 1_700_000_000_001, np.random.default_rng(1))
    read = read_messages(
        stream("antares"), [message(datums[0], 7), message(b"?", 8), message(datums[1], 9, None, -1)], LARGEST
    )
    assert read.rows.schema.names == MESSAGES.names
    rows = read.rows.to_pylist()
    assert [(row["kafka_partition"], row["streammessage_id"], row["topicname"]) for row in rows] == [
        (3, 7, "topic"), (3, 9, "topic"),
    ]  # fmt: skip
    assert rows[0]["msghdrtimestamp"].timestamp() == 1_700_000_000.5
    assert rows[1]["msghdrtimestamp"] is None
    assert read.message.tolist() == [0, 2]
    assert list(read.refused) == [1]


def test_a_message_that_is_too_large_is_not_read():
    read = read_messages(stream("antares"), [message(bytes(20_000))], LARGEST)
    assert read.refused[0].reason == "20000 bytes, more than 10000"


def test_a_message_with_its_schema_in_the_key_keeps_its_document():
    schema = {
        "type": "record", "name": "BrokerMessage", "namespace": "fastdb.v10_0_0",
        "fields": [
            {"name": "diaSourceId", "type": "long"}, {"name": "cutoutScience", "type": ["null", "bytes"]},
            {"name": "brokerName", "type": "string"}, {"name": "classifierName", "type": "string"},
            {"name": "classifierVersion", "type": "string"},
            {"name": "classifications", "type": {"type": "array", "items": {
                "type": "record", "name": "one",
                "fields": [{"name": "classId", "type": "int"}, {"name": "probability", "type": "float"}],
            }}},
        ],
    }  # fmt: skip
    out = io.BytesIO()
    alert = {
        "diaSourceId": 77, "cutoutScience": b"FITS", "brokerName": "fink", "classifierName": "snn",
        "classifierVersion": "8", "classifications": [{"classId": 2222, "probability": 0.5}],
    }  # fmt: skip
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), alert)
    (row,) = read_messages(
        stream("keyed"), [message(out.getvalue(), key=json.dumps(schema).encode())], LARGEST
    ).rows.to_pylist()
    assert (row["alert_id"], row["diasource_id"], row["classifierparams"], row["classid"]) == (77, 77, "8", [2222])
    assert json.loads(row["document"])["brokerName"] == "fink"


def test_documents_of_todays_brokers_are_read_by_their_kinds():
    lasair = {
        "objectId": 1, "topic": "fastfinder", "version": "0.2", "classification": "SN",
        "classdict": {"diaSourceId": 9, "probabilities": {"Ia": 0.75}},
    }  # fmt: skip
    (row,) = read_messages(stream("lasair"), [message(json.dumps(lasair).encode())], LARGEST).rows.to_pylist()
    assert (row["alert_id"], row["brokername"], row["classifiername"], row["classid"]) == (
        9,
        "Lasair",
        "fastfinder",
        [2222],
    )
    report = sent.ampel_report(4, Ia=0.5) | {"diaSourceId": 12}
    value = sent.hopskotch(report).value
    (row,) = read_messages(stream("ampel"), [message(value)], LARGEST).rows.to_pylist()
    assert (row["alert_id"], row["brokername"], row["classifiername"]) == (12, "AMPEL", "parsnip")


def test_what_a_document_lacks_is_the_reason():
    read = read_messages(stream("json"), [message(b"{}"), message(b"["), message(b"[]")], LARGEST)
    assert read.refused[0].reason == "the message names no alert"
    assert read.refused[1].reason.startswith("the message cannot be read as json")
    assert read.rows.num_rows == 0
