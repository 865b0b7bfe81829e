"""Messages of brokers are stored once, whoever sends them how often."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from broker_assets.database import engine
from broker_assets.tom.messages.storing import MESSAGES, StoredMessages, store_messages

pytestmark = pytest.mark.database

TIME = datetime.datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=datetime.UTC)


def message(**values: Any) -> dict[str, Any]:
    return {
        "streammessage_id": -1,
        "topicname": "REST_push",
        "alert_id": 7,
        "diasource_id": 7,
        "elasticcpublishtimestamp": TIME,
        "brokername": "b",
        "brokerversion": None,
        "classifiername": "c",
        "classifierparams": None,
        "classid": [2222, 200],
        "probability": [0.1, 0.9],
        **values,
    }


def store(connection: psycopg.Connection[Any], *messages: dict[str, Any], **options: Any) -> StoredMessages:
    with connection.transaction():
        return store_messages(connection, pa.Table.from_pylist(list(messages), MESSAGES), **options)


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with engine.connect(database_url, autocommit=True) as opened:
        yield opened


def test_a_message_becomes_a_row(connection: psycopg.Connection[Any]) -> None:
    batch = connection.execute(
        "INSERT INTO ingest_batch (topic, kind, code_version, started_at) VALUES ('t', 'stream', '1', now())"
        " RETURNING ingestid"
    ).fetchone()
    assert batch is not None
    given = message(streammessage_id=5, topicname="t", kafka_partition=2, msghdrtimestamp=TIME, document='{"a": 1}')
    done = store(connection, given, ingestid=batch[0])
    assert (done.received, done.stored, done.duplicate, done.classifiers) == (1, 1, 0, 1)
    row = connection.execute(
        "SELECT brokermessage_id, streammessage_id, topicname, kafka_partition, alert_id, msghdrtimestamp,"
        " elasticcpublishtimestamp, brokeringesttimestamp, classid, probability::text, document, ingestid,"
        " now() - descingesttimestamp < interval '1 minute' FROM elasticc2_brokermessage"
    ).fetchone()
    assert row == (done.first, 5, "t", 2, 7, TIME, TIME, None, [2222, 200], "{0.1,0.9}", {"a": 1}, batch[0], True)
    assert connection.execute("SELECT diasource_id FROM elasticc2_brokersourceids").fetchall() == [(7,)]


def test_what_is_stored_is_not_stored_again(connection: psycopg.Connection[Any]) -> None:
    first = store(connection, message(), message(), message(classifiername="d"))
    assert (first.stored, first.duplicate, first.classifiers) == (2, 1, 2)
    connection.execute("DELETE FROM elasticc2_brokersourceids")
    again = store(connection, message(), message(classifiername="d"))
    assert (again.stored, again.classifiers, again.first) == (0, 0, first.first)
    # Nothing new is to be imported.
    assert connection.execute("SELECT count(*) FROM elasticc2_brokersourceids").fetchall() == [(0,)]
    other = store(connection, message(elasticcpublishtimestamp=TIME + datetime.timedelta(seconds=1)))
    assert other.stored == 1
    # A topic has its own identity: the same again at another offset is another message.
    kafka = [message(streammessage_id=offset, topicname="t", kafka_partition=0) for offset in (1, 2)]
    assert store(connection, *kafka, kafka[0]).stored == 2
    assert store(connection, *kafka).stored == 0
    assert store(connection) == StoredMessages(0, 0, 0, None)


def test_processes_at_once_store_each_message_and_classifier_once(database_url: str) -> None:
    messages = [message(alert_id=number % 40, classifiername=f"c{number % 5}") for number in range(40 * 5 * 2)]

    def run(place: int) -> int:
        # In different orders, which is what makes writers wait for one another in a circle.
        mine = messages if place % 2 else messages[::-1]
        with engine.connect(database_url, autocommit=True) as connection:
            return store(connection, *mine).stored

    with ThreadPoolExecutor(6) as threads:
        assert sum(threads.map(run, range(6))) == 40
    with engine.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM elasticc2_brokerclassifier").fetchall() == [(5,)]


def test_arrays_of_unequal_length_are_refused(connection: psycopg.Connection[Any]) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        store(connection, message(probability=[1.0]))
