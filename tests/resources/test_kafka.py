"""Reading topics from known positions, over a real broker."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from confluent_kafka import Consumer, ConsumerGroupState, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from network_link import NetworkLink

from broker_assets.resources.kafka import Kafka, KafkaSource, stream_ends
from broker_assets.settings import KafkaSettings, StreamLocation
from broker_assets.settings.stream import MIRROR_GROUP
from broker_assets.stream.messages import (
    Message,
    MessageSource,
    OffsetOutOfRangeError,
    SourceRefusedError,
    SourceUnavailableError,
)

pytestmark = pytest.mark.kafka


@pytest.fixture
def settings(kafka: str) -> KafkaSettings:
    return KafkaSettings(bootstrap_servers=kafka)


@pytest.fixture
def source(settings: KafkaSettings, topic: str) -> Iterator[KafkaSource]:
    opened = KafkaSource(settings, topic)
    yield opened
    opened.close()


def produce(kafka: str, topic: str, values: dict[int, list[bytes | None]], *, linger: float = 0.0) -> None:
    producer = Producer({"bootstrap.servers": kafka, "message.max.bytes": 17 * 1024**2, "linger.ms": linger})
    for partition, payloads in values.items():
        for payload in payloads:
            producer.produce(topic, payload, partition=partition, key=b"k", timestamp=1_700_000_000_000)
    assert producer.flush(30) == 0


def read(source: KafkaSource, number: int, seconds: float = 20.0) -> list[Message]:
    messages: list[Message] = []
    deadline = time.monotonic() + seconds
    while len(messages) < number and time.monotonic() < deadline:
        messages += source.consume(number - len(messages), 0.5)
    return messages


def poll(source: KafkaSource, *, into: list[Message] | None = None) -> None:
    """Consume for up to 20 s, whatever comes."""
    for _ in range(40):
        messages = source.consume(10, 0.5)
        if into is not None:
            into += messages


def test_is_a_message_source(source: KafkaSource) -> None:
    assert isinstance(source, MessageSource)


def test_reads_from_the_position_on(kafka: str, topic: str, source: KafkaSource) -> None:
    produce(kafka, topic, {0: [b"a", b"b", b"c"], 1: [b"x", None]})
    source.assign({0: 1, 1: 0})
    messages = sorted(read(source, 4))
    assert [(m.partition, m.offset, m.value) for m in messages] == [
        (0, 1, b"b"),
        (0, 2, b"c"),
        (1, 0, b"x"),
        (1, 1, b""),
    ]
    assert {(m.key, m.timestamp_ms) for m in messages} == {(b"k", 1_700_000_000_000)}
    assert source.consume(10, 0.3) == []


def test_new_assignment_replaces_the_old(kafka: str, topic: str, source: KafkaSource) -> None:
    produce(kafka, topic, {0: [b"a", b"b"], 1: [b"x"]})
    source.assign({0: 0, 1: 0})
    read(source, 3)
    source.assign({0: 1})
    assert [m.value for m in read(source, 1)] == [b"b"]
    assert source.end_offsets() == {0: 2}
    assert source.beginning_offsets() == {0: 0}


def test_relative_positions_are_refused(source: KafkaSource) -> None:
    with pytest.raises(ValueError, match="absolute"):
        source.assign({0: -1})


def test_end_offsets_count_batches_rightly(kafka: str, topic: str, source: KafkaSource) -> None:
    """Tansu's own answer counts the last batch as one message; a fetch knows better."""
    produce(kafka, topic, {0: [b"a"] * 1000}, linger=200)
    source.assign({0: 0})
    assert len(read(source, 1000)) == 1000
    assert source.end_offsets() == {0: 1000}


def test_position_beyond_the_end_is_out_of_range(real_kafka: str, topic: str, source: KafkaSource) -> None:
    produce(real_kafka, topic, {0: [b"a"]})
    source.assign({0: 5})
    with pytest.raises(OffsetOutOfRangeError) as caught:
        poll(source)
    assert caught.value.partition == 0


def test_messages_before_an_error_are_not_lost(real_kafka: str, topic: str, source: KafkaSource) -> None:
    produce(real_kafka, topic, {0: [b"a", b"b"], 1: [b"x"]})
    source.assign({0: 0, 1: 7})
    taken: list[Message] = []
    with pytest.raises(OffsetOutOfRangeError):
        poll(source, into=taken)
    if len(taken) < 2:
        taken += read(source, 2 - len(taken))
    assert [m.value for m in taken] == [b"a", b"b"]


def test_large_message(kafka: str, new_topic: Callable[..., str], settings: KafkaSettings) -> None:
    topic = new_topic(1, max_message_bytes=17 * 1024**2)
    payload = bytes(10 * 1024**2)
    produce(kafka, topic, {0: [payload, b"small"]})
    source = KafkaSource(settings, topic)
    source.assign({0: 0})
    assert [len(m.value) for m in read(source, 2)] == [len(payload), 5]
    source.close()


def test_partitions(source: KafkaSource) -> None:
    assert source.partitions() == [0, 1]


def test_unknown_topic_is_refused(settings: KafkaSettings) -> None:
    source = KafkaSource(settings, "no-such-topic")
    with pytest.raises(SourceRefusedError, match="no-such-topic"):
        source.partitions()
    source.close()


def test_closed_source_is_refused(source: KafkaSource) -> None:
    source.close()
    source.close()
    with pytest.raises(SourceRefusedError, match="closed"):
        source.consume(1, 0.1)


def test_mirrored_positions_are_seen_outside(kafka: str, topic: str, source: KafkaSource) -> None:
    produce(kafka, topic, {0: [b"a", b"b", b"c"]})
    source.assign({0: 0})
    read(source, 3)
    source.mirror({0: 3})
    monitor = Consumer({"bootstrap.servers": kafka, "group.id": MIRROR_GROUP})
    deadline = time.monotonic() + 20
    committed = -1
    while committed != 3 and time.monotonic() < deadline:
        source.consume(1, 0.2)
        committed = monitor.committed([TopicPartition(topic, 0)], timeout=10)[0].offset
    monitor.close()
    assert committed == 3


def test_no_group_is_joined(kafka: str, topic: str, source: KafkaSource) -> None:
    source.assign({0: 0})
    source.consume(1, 0.5)
    listed = AdminClient({"bootstrap.servers": kafka}).list_consumer_groups().result(20)
    groups = {group.group_id: group.state for group in listed.valid}
    assert groups.get(MIRROR_GROUP) in (None, ConsumerGroupState.EMPTY)


def test_ends_and_lag(kafka: str, topic: str, settings: KafkaSettings) -> None:
    produce(kafka, topic, {0: [b"a"] * 500, 1: [b"b"] * 3}, linger=200)
    assert sum(stream_ends(settings, topic, {}).lag({}).values()) > 0
    started = time.monotonic()
    drained = stream_ends(settings, topic, {0: 500, 1: 3})
    assert time.monotonic() - started < 3
    assert drained.lag({0: 500, 1: 3}) == {0: 0, 1: 0}
    assert drained.ends == {0: 500, 1: 3}
    assert stream_ends(settings, topic, {0: 499, 1: 3}).lag({0: 499, 1: 3}) == {0: 1, 1: 0}


def test_ends_of_a_topic_made_a_moment_ago(kafka: str, settings: KafkaSettings) -> None:
    """A partition has no leader for some milliseconds after its making: that is waited for, not reported."""
    admin = AdminClient({"bootstrap.servers": kafka, "log_level": 0})
    names = [f"young-{time.monotonic_ns()}-{number}" for number in range(5)]
    try:
        for name in names:
            admin.create_topics([NewTopic(name, num_partitions=8, replication_factor=1)])[name].result(30)
            assert stream_ends(settings, name, {}, timeout=20).ends == dict.fromkeys(range(8), 0)
    finally:
        for future in admin.delete_topics(names).values():
            future.exception(30)


def test_ends_of_a_topic_made_anew(topic: str, settings: KafkaSettings) -> None:
    """The position is beyond the end: no lag is invented, and nothing hangs."""
    assert stream_ends(settings, topic, {0: 10, 1: 10}).ends == {0: 0, 1: 0}


def test_a_kept_source_knows_what_came_since(kafka: str, topic: str, settings: KafkaSettings) -> None:
    host, _, port = kafka.partition(",")[0].rpartition(":")
    with NetworkLink(lambda: (host, int(port))) as link:
        # Clients make their first connection to it, and learn the address of the broker from that.
        through = settings.model_copy(update={"bootstrap_servers": f"127.0.0.1:{link.port}"})
        assert_kept(kafka, link, StreamLocation("alerts", topic, through))


def assert_kept(kafka: str, link: NetworkLink, location: StreamLocation) -> None:
    """A resource that keeps its source asks through one client, another one through one for each question."""
    topic = location.topic
    resource = Kafka([location], keep=True)
    ends = partial(resource.ends, "alerts", timeout=5.0)
    produce(kafka, topic, {0: [b"a"] * 3, 1: [b"b"]})
    assert ends({0: 3, 1: 1}).lag({0: 3, 1: 1}) == {0: 0, 1: 0}
    produce(kafka, topic, {0: [b"c"]})
    assert ends({0: 3, 1: 1}).ends == {0: 4, 1: 1}
    assert ends({0: 4, 1: 1}).lag({0: 4, 1: 1}) == {0: 0, 1: 0}
    # A position beyond the end, as of a topic that was deleted and made again, does not stop the next question.
    assert ends({0: 9, 1: 1}).ends == {0: 4, 1: 1}
    assert ends({0: 4, 1: 0}).lag({0: 4, 1: 0}) == {0: 0, 1: 1}
    # The first connection only shows that the server accepts some.
    assert link.connections == 2
    for _ in range(2):
        Kafka([location]).ends("alerts", {}, timeout=5.0)
    assert link.connections == 6


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_absent_broker_is_unavailable() -> None:
    nobody = KafkaSettings(bootstrap_servers=f"127.0.0.1:{free_port()}")
    began = time.monotonic()
    with pytest.raises(SourceUnavailableError, match=r"does not answer .* connection refused"):
        stream_ends(nobody, "any", {}, timeout=60)
    assert time.monotonic() - began < 30, "a refused connection is not waited for"
    source = KafkaSource(nobody, "any", timeout=1)
    source.assign({0: 0})
    with pytest.raises(SourceUnavailableError, match="does not answer"):
        poll(source)
    source.close()


def test_missing_configuration_says_what_to_do() -> None:
    with pytest.raises(SourceRefusedError, match="BROKER_KAFKA__BOOTSTRAP_SERVERS"):
        KafkaSource(KafkaSettings(), "any")
