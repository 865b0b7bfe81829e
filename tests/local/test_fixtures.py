"""The services that the rest of the suite stands on."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient


@pytest.mark.database
def test_a_database_of_its_own(postgres, new_database) -> None:
    with new_database() as name, psycopg.connect(postgres.dsn(name)) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == (name,)
        assert connection.execute("SHOW synchronous_commit").fetchone() == ("on",)
    with psycopg.connect(postgres.dsn("postgres")) as connection:
        assert connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone() is None


@pytest.mark.kafka
@pytest.mark.parametrize("topic", [3], indirect=True)
def test_a_topic_of_its_own(kafka: str, topic: str) -> None:
    assert len(AdminClient({"bootstrap.servers": kafka}).list_topics(topic, timeout=10).topics[topic].partitions) == 3


@pytest.mark.kafka
def test_a_packet_of_ten_megabytes_passes(kafka: str, new_topic: Callable[..., str]) -> None:
    topic = new_topic(1)
    producer = Producer({"bootstrap.servers": kafka, "message.max.bytes": 16 * 1024**2})
    payload = b"\x5a" * 10_000_000
    producer.produce(topic, payload, partition=0)
    assert producer.flush(30) == 0
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "none", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, 0)])
    message = consumer.poll(30)
    consumer.close()
    assert message is not None
    assert message.error() is None
    assert message.value() == payload
