"""Messages onto a real Kafka."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Consumer, TopicPartition

from broker_assets.replay.producer import OutgoingMessage, ReplayError, ReplayReport, ensure_topic, produce

pytestmark = pytest.mark.kafka


def consume(servers: str, report: ReplayReport) -> dict[int, list[tuple[bytes | None, bytes]]]:
    """Key and value of every message that the report names, by partition."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "test", "enable.auto.commit": False})
    consumer.assign([TopicPartition(report.topic, number, first) for number, (first, _) in report.offsets.items()])
    found: dict[int, list[tuple[bytes | None, bytes]]] = defaultdict(list)
    deadline = time.monotonic() + 30
    while sum(map(len, found.values())) < report.messages and time.monotonic() < deadline:
        for message in consumer.consume(1000, 1.0):
            assert message.error() is None
            partition, value = message.partition(), message.value()
            assert partition is not None
            assert value is not None
            found[partition].append((message.key(), value))
    consumer.close()
    return found


def test_every_message_arrives_once_and_in_order_of_its_key(kafka: str, topic: str) -> None:
    messages = [OutgoingMessage(b"%d" % number, b"%d" % (number % 7)) for number in range(3000)]
    shown: list[tuple[int, int]] = []
    report = produce(
        messages, bootstrap_servers=kafka, topic=topic, progress=lambda count, size: shown.append((count, size))
    )
    assert report.messages == 3000
    assert sum(report.partitions.values()) == 3000
    assert report.bytes == sum(len(message.value) for message in messages) == shown[-1][1]
    assert shown[-1][0] == 3000
    found = consume(kafka, report)
    assert sum(map(len, found.values())) == 3000
    for key in range(7):
        (partition,) = [number for number, items in found.items() if any(item[0] == b"%d" % key for item in items)]
        values = [int(value) for item, value in found[partition] if item == b"%d" % key]
        assert values == list(range(key, 3000, 7))


def test_the_topic_is_made_with_the_wanted_partitions(kafka: str, topic: str) -> None:
    name = f"{topic}-made"
    assert ensure_topic(kafka, name, partitions=3) == 3
    assert ensure_topic(kafka, name, partitions=5) == 3


def test_a_packet_of_ten_megabytes_passes(kafka: str, topic: str) -> None:
    name = f"{topic}-large"
    value = bytes(range(256)) * 40_000
    report = produce([OutgoingMessage(value)], bootstrap_servers=kafka, topic=name)
    assert [item for items in consume(kafka, report).values() for item in items] == [(None, value)]


def test_the_rate_is_kept(kafka: str, topic: str) -> None:
    report = produce((OutgoingMessage(b"x") for _ in range(50)), bootstrap_servers=kafka, topic=topic, rate=100)
    assert 0.45 < report.seconds < 5
    assert report.messages == 50


def test_a_stop_ends_the_sending_and_what_was_sent_is_delivered(kafka: str, topic: str) -> None:
    sent = 0

    def endless() -> Iterator[OutgoingMessage]:
        nonlocal sent
        while True:
            sent += 1
            yield OutgoingMessage(b"x")

    report = produce(endless(), bootstrap_servers=kafka, topic=topic, stop=lambda: sent > 20)
    assert report.messages == 20
    assert not report.interrupted


def test_an_interruption_delivers_what_was_sent(kafka: str, topic: str) -> None:
    def interrupted() -> Iterator[OutgoingMessage]:
        yield OutgoingMessage(b"1")
        yield OutgoingMessage(b"2")
        raise KeyboardInterrupt

    report = produce(interrupted(), bootstrap_servers=kafka, topic=topic)
    assert report.interrupted
    assert report.messages == 2


def test_no_broker_is_a_clear_error(unused_port: Callable[[], int]) -> None:
    with pytest.raises(ReplayError, match=r"127\.0\.0\.1"):
        ensure_topic(f"127.0.0.1:{unused_port()}", "t", client={"log_level": 0}, timeout=1.0)


@pytest.fixture
def unused_port() -> Callable[[], int]:
    """A function that gives a port that nothing listens on."""
    import socket

    def find() -> int:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            return int(listener.getsockname()[1])

    return find


def test_the_rate_must_be_positive() -> None:
    with pytest.raises(ValueError, match="rate"):
        produce([], bootstrap_servers="nowhere", topic="t", rate=0)
