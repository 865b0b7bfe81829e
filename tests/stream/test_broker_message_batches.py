import io

import fastavro
import numpy as np
import psycopg
import pytest
from failing_writes import LOSE_CONNECTION, failing_writes

from broker_assets.accounting import balance
from broker_assets.database.engine import conninfo
from broker_assets.settings.surveys import BrokerSettings, SurveySettings
from broker_assets.stream.broker_message_batches import read_broker_messages, retry_broker_messages
from broker_assets.stream.broker_messages import BrokerStream
from broker_assets.tom.survey.fake_broker import ReceivedAlert, answers
from broker_assets.tom.survey.schemas import classification_schema

pytestmark = pytest.mark.database

STREAM = BrokerStream("fake", "classifications", BrokerSettings(kind="elasticc", topics=["classifications"]))
SETTINGS = SurveySettings(batch_max=50)
NOW = 1_700_000_000_000


def datums(count, first=0):
    alerts = [ReceivedAlert(number, number, NOW) for number in range(first, first + count)]
    return answers(alerts, NOW, np.random.default_rng(1))


def read(url, source, **options):
    return read_broker_messages(source, url, STREAM, SETTINGS, idle_seconds=0.05, **options)


def query(url, statement, *values):
    with psycopg.connect(conninfo(url), autocommit=True) as connection:
        return connection.execute(statement, values).fetchall()


def test_messages_are_stored_once_with_their_position(database_url, packets):
    source = packets.ListSource.of([*datums(100), b"rubbish"], partitions=2)
    done = read(database_url, source)
    assert (done.received, done.stored, done.quarantined, done.rows, done.classifiers) == (201, 200, 1, 200, 2)
    assert query(database_url, "SELECT count(*), count(DISTINCT ingestid) >= 4 FROM elasticc2_brokermessage") == [
        (200, True)
    ]
    assert query(database_url, "SELECT count(*) FROM elasticc2_brokersourceids") == [(100,)]
    assert query(database_url, "SELECT sum(next_offset) FROM stream_offset WHERE topic = %s", STREAM.name) == [(201,)]
    assert query(database_url, "SELECT count(*) FROM quarantine WHERE topic = %s", STREAM.name) == [(1,)]
    # Nothing waits any more; a lost position would bring nothing twice.
    assert read(database_url, source).received == 0
    with psycopg.connect(conninfo(database_url)) as connection:
        connection.execute("DELETE FROM stream_offset")
    done = read(database_url, source)
    assert (done.received, done.stored, done.duplicate, done.quarantined) == (201, 0, 200, 1)
    assert query(database_url, "SELECT count(*) FROM elasticc2_brokermessage") == [(200,)]


def test_the_ledger_balances(database_url, packets):
    read(database_url, packets.ListSource.of([*datums(30), b"x"]))
    with psycopg.connect(conninfo(database_url)) as connection:
        assert balance.batches(connection) == balance.offsets(connection) == []


def test_a_message_of_several_classifiers_is_one_message(database_url, packets):
    items = [
        {"classifierName": name, "classifierParams": "p", "classId": 1, "probability": 1.0} for name in ("a", "b")
    ]  # fmt: skip
    out = io.BytesIO()
    message = {
        "alertId": 1, "diaSourceId": 1, "elasticcPublishTimestamp": NOW, "brokerIngestTimestamp": NOW,
        "brokerName": "B", "brokerVersion": "v", "classifications": items,
    }  # fmt: skip
    fastavro.schemaless_writer(out, fastavro.parse_schema(classification_schema("0.9", times=False)), message)
    source = packets.ListSource.of([out.getvalue()])
    done = read(database_url, source)
    assert (done.received, done.stored, done.rows) == (1, 1, 2)


def test_a_death_before_the_commit_loses_nothing(database_url, packets):
    source = packets.ListSource.of(datums(60))
    second = "NEW.finished_at IS NOT NULL AND EXISTS (SELECT FROM ingest_batch WHERE finished_at IS NOT NULL)"
    with (
        failing_writes(database_url, "ingest_batch", LOSE_CONNECTION, when=second, on="UPDATE"),
        pytest.raises(psycopg.OperationalError),
    ):
        read(database_url, source)
    assert query(database_url, "SELECT count(*) FROM elasticc2_brokermessage") == [(50,)]
    done = read(database_url, source)
    assert (done.received, done.stored) == (70, 70)
    assert query(database_url, "SELECT count(*) FROM elasticc2_brokermessage") == [(120,)]


def test_the_quarantine_is_retried(database_url, packets):
    long = BrokerStream("fake", "classifications", BrokerSettings(kind="json", topics=["classifications"]))
    source = packets.ListSource.of([*datums(2), b"rubbish"])
    read_broker_messages(source, database_url, long, SETTINGS, idle_seconds=0.05)
    assert query(database_url, "SELECT count(*) FROM elasticc2_brokermessage") == [(0,)]
    report = retry_broker_messages(database_url, STREAM, SETTINGS)
    assert (report.retried, report.stored, report.failed) == (5, 4, 1)
    assert query(database_url, "SELECT count(*) FROM elasticc2_brokermessage") == [(4,)]
    with psycopg.connect(conninfo(database_url)) as connection:
        assert balance.batches(connection) == balance.offsets(connection) == []
