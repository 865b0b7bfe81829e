"""Sends messages to a Kafka topic at a given rate and verifies each delivery."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from broker_assets.kafka_log import client_log

DEFAULT_PARTITIONS = 4
LARGEST_MESSAGE = 16 * 1024**2
"""Bytes; alerts with large cutouts exceed Kafka's default of one megabyte."""


class ReplayError(RuntimeError):
    """Messages could not be delivered; the message says how many and why."""


class OutgoingMessage(NamedTuple):
    """One message to send."""

    value: bytes
    """Payload with its framing."""
    key: bytes | None = None
    """Messages with the same key go to one partition, so their order is kept."""


@dataclass
class ReplayReport:
    """What was delivered."""

    topic: str
    messages: int = 0
    bytes: int = 0
    seconds: float = 0.0
    partitions: dict[int, int] = field(default_factory=dict)
    """Messages by partition."""
    offsets: dict[int, tuple[int, int]] = field(default_factory=dict)
    """First offset and the one after the last, by partition."""

    interrupted: bool = False
    """Whether Ctrl-C stopped it before all messages were sent; sent messages are delivered and counted."""

    @property
    def rate(self) -> float:
        """Messages per second."""
        return self.messages / self.seconds if self.seconds > 0 else 0.0


def ensure_topic(
    bootstrap_servers: str,
    topic: str,
    *,
    partitions: int = DEFAULT_PARTITIONS,
    client: Mapping[str, Any] | None = None,
    timeout: float = 15.0,
) -> int:
    """Create a topic if it does not exist.

    Parameters
    ----------
    bootstrap_servers : str
        `host:port,…`.
    topic : str
        Its name.
    partitions : int
        Number of partitions of a new topic; an existing one is not changed.
    client : mapping, optional
        Further librdkafka properties.
    timeout : float
        Seconds.

    Returns
    -------
    int
        Number of partitions of the topic.

    Raises
    ------
    ReplayError
        If the broker does not answer or refuses.
    """
    try:
        admin = AdminClient({**(client or {}), "bootstrap.servers": bootstrap_servers}, logger=client_log(__name__))
        known = admin.list_topics(timeout=timeout).topics.get(topic)
        if known is not None and known.error is None and known.partitions:
            return len(known.partitions)
        configuration = {"max.message.bytes": str(LARGEST_MESSAGE)}
        request = NewTopic(topic, num_partitions=partitions, replication_factor=1, config=configuration)
        admin.create_topics([request], operation_timeout=timeout)[topic].result(timeout)
        _wait_for(admin, topic, timeout)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise ReplayError(
                f"topic {topic!r} cannot be created on Kafka at {bootstrap_servers}: {error.args[0].str()}"
            ) from error
    known = admin.list_topics(topic, timeout=timeout).topics[topic]
    return len(known.partitions)


def _wait_for(admin: AdminClient, topic: str, timeout: float) -> None:
    """Wait for a topic, which exists only a moment after its creation has been confirmed."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        known = admin.list_topics(topic, timeout=timeout).topics.get(topic)
        if known is not None and known.error is None and known.partitions:
            return
        time.sleep(0.05)


class _Deliveries:
    """Counts the messages confirmed by the broker."""

    def __init__(self, report: ReplayReport) -> None:
        self.report = report
        self.failed = 0
        self.reason = ""

    def __call__(self, error: KafkaError | None, message: Any) -> None:
        if error is not None:
            self.failed += 1
            self.reason = self.reason or error.str()
            return
        report, partition, offset = self.report, message.partition(), message.offset()
        report.messages += 1
        report.bytes += len(message)
        report.partitions[partition] = report.partitions.get(partition, 0) + 1
        first, after = report.offsets.get(partition, (offset, offset))
        report.offsets[partition] = (min(first, offset), max(after, offset + 1))


def produce(
    messages: Iterable[OutgoingMessage],
    *,
    bootstrap_servers: str,
    topic: str,
    rate: float | None = None,
    partitions: int = DEFAULT_PARTITIONS,
    client: Mapping[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
    stop: Callable[[], bool] | None = None,
    delivery_seconds: float = 60.0,
) -> ReplayReport:
    """Send messages to a topic and wait until all are confirmed.

    The producer is idempotent: each message is in the topic exactly once, in order within a key.

    Parameters
    ----------
    messages : iterable of OutgoingMessage
        Messages to send; consumed one by one.
    bootstrap_servers : str
        `host:port,…`.
    topic : str
        Created with `partitions` partitions if it does not exist.
    rate : float, optional
        Messages per second; default: as fast as possible.
    partitions : int
        Number of partitions of a new topic.
    client : mapping, optional
        Further librdkafka properties.
    progress : callable, optional
        Called with the number of messages and bytes sent so far, at most ten times a second.
    stop : callable, optional
        Called before each message; stops sending if it returns true.
    delivery_seconds : float
        Time limit for the confirmation of a message.

    Returns
    -------
    ReplayReport
        The confirmed messages.

    Raises
    ------
    ReplayError
        If a message was not confirmed.
    ValueError
        If the rate is not positive.
    """
    if rate is not None and not rate > 0:
        raise ValueError(f"the rate must be positive, not {rate}")
    ensure_topic(bootstrap_servers, topic, partitions=partitions, client=client)
    report = ReplayReport(topic)
    deliveries = _Deliveries(report)
    producer = Producer(
        {
            "linger.ms": 20,
            "compression.type": "lz4",
            "message.max.bytes": LARGEST_MESSAGE,
            "queue.buffering.max.kbytes": 256 * 1024,
            **(client or {}),
            "bootstrap.servers": bootstrap_servers,
            "enable.idempotence": True,
            "delivery.timeout.ms": int(delivery_seconds * 1000),
            "on_delivery": deliveries,
        },
        logger=client_log(__name__),
    )
    begin = time.monotonic()
    shown = begin
    sent = size = 0
    try:
        for message in messages:
            if deliveries.failed or (stop is not None and stop()):
                break
            if rate is not None:
                _wait(producer, begin + sent / rate, stop)
            _send(producer, topic, message)
            sent += 1
            size += len(message.value)
            now = time.monotonic()
            if progress is not None and now - shown > 0.1:
                shown = now
                progress(sent, size)
    except KeyboardInterrupt:
        report.interrupted = True
    finally:
        left = producer.flush(delivery_seconds)
        report.seconds = time.monotonic() - begin
    if progress is not None:
        progress(sent, size)
    if deliveries.failed or left:
        lost = deliveries.failed + left
        reason = deliveries.reason or f"no confirmation within {delivery_seconds:g} s"
        raise ReplayError(
            f"{lost} of {sent} messages were not delivered to topic {topic!r} on Kafka at {bootstrap_servers}: {reason}"
        )
    return report


def _send(producer: Producer, topic: str, message: OutgoingMessage) -> None:
    while True:
        try:
            producer.produce(topic, value=message.value, key=message.key)
        except BufferError:
            # The queue is full: wait until the broker has accepted some messages.
            producer.poll(0.1)
        except KafkaException as error:
            raise ReplayError(
                f"topic {topic!r} does not accept a message of {len(message.value)} bytes: {error.args[0].str()}"
            ) from error
        else:
            producer.poll(0)
            return


def _wait(producer: Producer, due: float, stop: Callable[[], bool] | None) -> None:
    while (left := due - time.monotonic()) > 0:
        if stop is not None and stop():
            return
        producer.poll(min(left, 0.1))
