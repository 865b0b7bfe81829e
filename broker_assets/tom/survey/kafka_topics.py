"""Kafka topics of the survey's alerts: written in order, and searched for the messages of a sender that died.

Messages have no key and no headers, the form that brokers of the campaigns expect. An alert in a topic is recognised by
its number, with which its bytes begin.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from broker_assets.kafka_log import client_log

Positions = dict[str, dict[int, int]]
"""Offset after the last message, by topic and partition."""
LARGEST_MESSAGE: Final = 16 * 1024**2
"""Bytes; an alert of a deep field has a few hundred kilobytes."""
LOOK_SECONDS: Final = 60.0
"""Time limit for searching topics, seconds."""
_AT_ONCE: Final = 10_000


class SendFailed(ConnectionError):
    """Kafka did not take messages, or cannot be reached; the message says why."""


class Outgoing(NamedTuple):
    """A message."""

    topic: str
    value: bytes


class Topics(Protocol):
    """The operations on Kafka that a sender needs."""

    def positions(self, topics: Sequence[str]) -> Positions:
        """Upper limits of the end offsets of topics; missing topics have no partitions."""

    def send(self, messages: Sequence[Outgoing]) -> None:
        """Send messages, and wait until Kafka has confirmed all of them."""

    def seen(self, positions: Mapping[str, Mapping[int, int]]) -> dict[str, set[int]]:
        """Numbers of the alerts in topics after some positions."""


def alert_number(value: bytes) -> int:
    """The number of an alert, with which its datum begins.

    Raises
    ------
    ValueError
        If the bytes do not begin with a number.

    Examples
    --------
    >>> alert_number(b"\\x80\\x01rest")
    64
    """
    pattern = 0
    for place, byte in enumerate(value[:10]):
        pattern |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return (pattern >> 1) ^ -(pattern & 1)
    raise ValueError("the message does not begin with the number of an alert")


class KafkaTopics:
    """The topics of a cluster; not for several threads at once.

    Parameters
    ----------
    configuration : mapping
        Properties of librdkafka: servers and credentials.
    partitions : int
        Partitions of a topic that does not exist yet; it is created with its first message.
    confirm_seconds : float
        Time limit for confirmations.
    """

    def __init__(self, configuration: Mapping[str, Any], *, partitions: int = 1, confirm_seconds: float = 15.0) -> None:
        self._configuration = dict(configuration)
        self._partitions = partitions
        self._seconds = confirm_seconds
        self._producer: Producer | None = None
        self._known: Positions = {}

    def positions(self, topics: Sequence[str]) -> Positions:
        """Upper limits of the end offsets of topics: requested once, then updated with confirmations.

        Raises
        ------
        SendFailed
            If Kafka cannot be reached.
        """
        missing = [topic for topic in topics if topic not in self._known]
        if missing:
            self._known |= self._asked(missing)
        return {topic: dict(self._known[topic]) for topic in topics}

    def send(self, messages: Sequence[Outgoing]) -> None:
        """Send messages, and wait until Kafka has confirmed all of them.

        Raises
        ------
        SendFailed
            If Kafka has not confirmed all in time; some may have arrived nevertheless, see `seen`.
        """
        for topic in dict.fromkeys(message.topic for message in messages):
            self._ensure(topic)
        producer = self._started()
        failures: list[str] = []
        ends: Positions = {}

        def confirmed(error: KafkaError | None, message: Any) -> None:
            if error is not None:
                failures.append(error.str())
                return
            end = ends.setdefault(message.topic(), {})
            end[message.partition()] = max(end.get(message.partition(), 0), message.offset() + 1)

        left = 0
        try:
            for message in messages:
                while not failures:
                    try:
                        producer.produce(message.topic, message.value, on_delivery=confirmed)
                        break
                    except BufferError:
                        producer.poll(0.1)
                producer.poll(0)
            left = producer.flush(self._seconds + 5.0)
        except (KafkaException, SystemError) as error:  # the latter if a fatal error occurs in a callback
            failures.append(str(error))
        if failures or left:
            self.close()  # what it still holds must not be sent after the repetition
            reason = failures[0] if failures else f"no confirmation within {self._seconds + 5.0:g} s"
            raise SendFailed(
                f"{max(len(failures), left)} of {len(messages)} alerts were not confirmed by Kafka: {reason}"
            )
        for topic, end in ends.items():
            self._known.setdefault(topic, {}).update(end)

    def seen(self, positions: Mapping[str, Mapping[int, int]]) -> dict[str, set[int]]:
        """Numbers of the alerts in topics after some positions; other messages are skipped.

        Raises
        ------
        SendFailed
            If the topics cannot be read.
        """
        found: dict[str, set[int]] = {topic: set() for topic in positions}
        ends = self._asked(list(positions))
        assigned = [
            TopicPartition(topic, partition, positions[topic].get(partition, 0))
            for topic, partitions in ends.items()
            for partition, end in partitions.items()
            if positions[topic].get(partition, 0) < end
        ]
        if not assigned:
            return found
        consumer = Consumer(
            {
                **self._configuration,
                "group.id": "broker-assets-survey",
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "earliest",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 50,
            },
            logger=client_log(__name__),
        )
        reading = {(one.topic, one.partition) for one in assigned}
        deadline = time.monotonic() + LOOK_SECONDS
        try:
            consumer.assign(assigned)
            while reading and time.monotonic() < deadline:
                for message in consumer.consume(_AT_ONCE, 0.5):
                    error = message.error()
                    topic = message.topic() or ""
                    if error is None:
                        try:
                            found[topic].add(alert_number(message.value() or b""))
                        except ValueError:
                            continue
                    elif error.code() == KafkaError._PARTITION_EOF:
                        reading.discard((topic, message.partition() or 0))
                    else:
                        raise SendFailed(f"the end of topic {topic} cannot be read: {error.str()}")
        except KafkaException as error:
            raise SendFailed(f"the ends of topics cannot be read: {error.args[0].str()}") from None
        finally:
            consumer.close()
        if reading:
            raise SendFailed(f"the end of topic {min(reading)[0]} was not reached in {LOOK_SECONDS:g} s")
        return found

    def close(self) -> None:
        """Forget what was not confirmed, and disconnect."""
        if self._producer is not None:
            self._producer.purge(in_queue=True, in_flight=True, blocking=False)
            self._producer.flush(1.0)
            self._producer = None
        self._known.clear()

    def _started(self) -> Producer:
        if self._producer is None:
            self._producer = Producer(
                {
                    "linger.ms": 50,
                    "batch.size": 131_072,
                    "message.max.bytes": LARGEST_MESSAGE,
                    "queue.buffering.max.kbytes": 256 * 1024,
                    **self._configuration,
                    "enable.idempotence": True,
                    "delivery.timeout.ms": int(self._seconds * 1000),
                },
                logger=client_log(__name__),
            )
        return self._producer

    def _asked(self, topics: Sequence[str]) -> Positions:
        client = Consumer({**self._configuration, "group.id": "broker-assets-survey"}, logger=client_log(__name__))
        try:
            # A request for a topic by name would create it.
            present = client.list_topics(timeout=self._seconds).topics
            return {
                topic: {
                    partition: (
                        client.get_watermark_offsets(TopicPartition(topic, partition), self._seconds) or (0, 0)
                    )[1]
                    for partition in (present[topic].partitions if topic in present else ())
                }
                for topic in topics
            }
        except KafkaException as error:
            raise SendFailed(f"Kafka cannot be reached: {error.args[0].str()}") from None
        finally:
            client.close()

    def _ensure(self, topic: str) -> None:
        if self._known.get(topic):
            return
        try:
            admin = AdminClient(self._configuration, logger=client_log(__name__))
            known = admin.list_topics(timeout=self._seconds).topics.get(topic)
            if known is None or known.error is not None:
                request = NewTopic(
                    topic, num_partitions=self._partitions, replication_factor=1,
                    config={"max.message.bytes": str(LARGEST_MESSAGE)},
                )  # fmt: skip
                admin.create_topics([request], operation_timeout=self._seconds)[topic].result(self._seconds)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise SendFailed(f"topic {topic} cannot be created: {error.args[0].str()}") from None
