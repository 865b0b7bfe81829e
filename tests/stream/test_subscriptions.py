"""Messages of a subscription are stored exactly once, whatever becomes of their acknowledgements."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest
from failing_writes import LOSE_CONNECTION, failing_writes
from pubsub_service import PROJECT, PubSubService

from broker_assets.accounting import balance
from broker_assets.database.engine import conninfo
from broker_assets.resources.pubsub import ender, opener
from broker_assets.settings import Settings
from broker_assets.settings.stream import PubSubSettings
from broker_assets.settings.surveys import BrokerSettings, SurveySettings
from broker_assets.stream.broker_message_batches import MessagesRead, read_broker_messages
from broker_assets.stream.broker_message_run import run_brokers, stream_location
from broker_assets.stream.broker_messages import BrokerStream
from broker_assets.tom.survey.fake_broker import ReceivedAlert, answers

pytestmark = pytest.mark.database

NAME = "elasticc-loop-desc"


@pytest.fixture
def service() -> Iterator[PubSubService]:
    with PubSubService() as running:
        yield running


def stream(service: PubSubService) -> BrokerStream:
    pubsub = PubSubSettings(project=PROJECT, url=service.url, pull_seconds=1.0)
    return BrokerStream("pitt", NAME, BrokerSettings(kind="pitt-google", topics=[NAME], pubsub=pubsub))


def datums(count: int, first: int = 0) -> list[bytes]:
    alerts = [ReceivedAlert(number, number, 0) for number in range(first, first + count)]
    return answers(alerts, 0, np.random.default_rng(1))


def read(url: str, service: PubSubService, most: int = 20) -> MessagesRead:
    found = stream(service)
    source = opener(lambda _: pytest.fail("it is no Kafka topic"))(stream_location(Settings(), found))
    try:
        return read_broker_messages(source, url, found, SurveySettings(batch_max=most), idle_seconds=0.5)
    finally:
        source.close()


def query(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(conninfo(url), autocommit=True) as connection:
        return connection.execute(statement.encode()).fetchall()


def assert_balanced(url: str) -> None:
    with psycopg.connect(conninfo(url)) as connection:
        assert balance.batches(connection) == balance.offsets(connection) == []


def test_messages_are_stored_and_then_acknowledged(database_url: str, service: PubSubService) -> None:
    numbers = service.publish(NAME, *datums(15), b"rubbish", alertId="1")
    done = read(database_url, service)
    assert (done.received, done.stored, done.quarantined, done.batches) == (31, 30, 1, 2)
    assert sorted(service.acknowledged) == numbers
    assert query(database_url, 'SELECT messageid FROM subscription_message ORDER BY "offset"') == [
        (number,) for number in numbers
    ]
    assert query(
        database_url,
        "SELECT count(*), min(streammessage_id), max(streammessage_id), min(msghdrtimestamp)::text, min(topicname)"
        " FROM elasticc2_brokermessage",
    ) == [(30, 0, 29, "2023-11-05 12:00:00.123+00", NAME)]
    assert query(database_url, "SELECT key FROM quarantine") == [(b'{"alertId": "1"}',)]
    assert_balanced(database_url)


def test_a_lost_acknowledgement_stores_nothing_twice(database_url: str, service: PubSubService) -> None:
    service.publish(NAME, *datums(15))
    service.lose = 2
    assert read(database_url, service).stored == 30
    assert service.acknowledged == []
    service.expire()
    more = service.publish(NAME, *datums(2, 100))
    # They come again, with new ones among them.
    done = read(database_url, service, most=32)
    assert (done.received, done.stored, done.duplicate) == (4, 4, 0)
    assert (len(service.sent), len(set(service.sent)), len(service.acknowledged)) == (64, 34, 34)
    assert set(more) <= set(service.acknowledged)
    assert query(database_url, "SELECT count(*), count(DISTINCT streammessage_id) FROM elasticc2_brokermessage") == [
        (34, 34)
    ]
    assert_balanced(database_url)


def test_a_death_before_the_commit_loses_nothing(database_url: str, service: PubSubService) -> None:
    service.publish(NAME, *datums(5))
    with (
        failing_writes(database_url, "ingest_batch", LOSE_CONNECTION, when="NEW.finished_at IS NOT NULL", on="UPDATE"),
        pytest.raises(psycopg.OperationalError),
    ):
        read(database_url, service)
    assert (service.acknowledged, query(database_url, "SELECT count(*) FROM subscription_message")) == ([], [(0,)])
    service.expire()
    assert read(database_url, service).stored == 10
    assert len(service.acknowledged) == 10
    assert_balanced(database_url)


def test_a_lost_position_gives_no_place_twice(database_url: str, service: PubSubService) -> None:
    service.publish(NAME, *datums(2))
    read(database_url, service)
    with psycopg.connect(conninfo(database_url)) as connection:
        connection.execute("DELETE FROM stream_offset")
        connection.execute("UPDATE subscription_message SET received_at = now() - interval '50 days'")
    service.publish(NAME, *datums(2, 10))
    assert read(database_url, service).stored == 4
    assert query(database_url, "SELECT max(streammessage_id), count(*) FROM elasticc2_brokermessage") == [(7, 8)]
    # Identifiers of long ago are gone, but for the last.
    assert query(database_url, 'SELECT array_agg("offset" ORDER BY "offset") FROM subscription_message') == [
        ([3, 4, 5, 6, 7],)
    ]


def test_a_run_reads_a_subscription_beside_kafka(database_url: str, service: PubSubService) -> None:
    service.publish(NAME, *datums(3))
    service.fail = 1
    found = stream(service)
    settings = Settings(survey=SurveySettings(brokers={"pitt": found.settings}, idle_seconds=2.5))
    run = run_brokers(
        database_url, settings, opener(lambda _: pytest.fail("no Kafka")), ender(lambda *_: pytest.fail("no Kafka")),
        lambda _: [],
    )  # fmt: skip
    assert (run.count("received"), run.count("stored")) == (6, 6)
    assert len(service.acknowledged) == 6
