"""Alert topics of the survey: one in memory, and the messages of a real one."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import fastavro
from confluent_kafka import Consumer, TopicPartition

from broker_assets.tom.survey.kafka_topics import Outgoing, Positions, SendFailed, alert_number
from broker_assets.tom.survey.schemas import alert_schema


class MemoryTopics:
    """Topics in a list; `fail_after` messages Kafka fails, having taken those before."""

    def __init__(self) -> None:
        self.messages: list[Outgoing] = []
        self.fail_after: int | None = None

    def positions(self, topics: Sequence[str]) -> Positions:
        return {topic: {0: len(self.of(topic))} if self.of(topic) else {} for topic in topics}

    def send(self, messages: Sequence[Outgoing]) -> None:
        for message in messages:
            if self.fail_after is not None:
                if self.fail_after == 0:
                    raise SendFailed("Kafka is away")
                self.fail_after -= 1
            self.messages.append(message)

    def seen(self, positions: Mapping[str, Mapping[int, int]]) -> dict[str, set[int]]:
        return {
            topic: {alert_number(value) for value in self.of(topic)[ends.get(0, 0) :]}
            for topic, ends in positions.items()
        }

    def of(self, topic: str) -> list[bytes]:
        """Messages of a topic."""
        return [message.value for message in self.messages if message.topic == topic]


def numbers(values: Sequence[bytes]) -> list[int]:
    """Numbers of alerts."""
    return [alert_number(value) for value in values]


def read_alert(value: bytes) -> dict[str, Any]:
    """An alert as its readers see it."""
    read: Any = fastavro.schemaless_reader(io.BytesIO(value), alert_schema(), None)
    return dict(read)


def topic_content(servers: str, topic: str) -> list[bytes]:
    """Every message of partition 0 of a topic of Kafka."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "test", "enable.partition.eof": True})
    found: list[bytes] = []
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        while True:
            for message in consumer.consume(1000, 0.5):
                if message.error() is not None:
                    return found
                found.append(message.value() or b"")
    finally:
        consumer.close()
