"""Topics of filters: written in order, each message once as far as Kafka allows.

A topic has one partition, so that its messages are in one order. Every message has the header `delivery-id`, the same
whenever it is sent again, and `_format`, which hop-client expects. The producer is idempotent; `seen` finds what a
sender that died may have written, by reading the end of the topic.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from broker_assets.delivery.errors import SinkUnavailableError
from broker_assets.kafka_log import client_log
from broker_assets.settings.stream import ClusterSettings, SecretFileError

log = logging.getLogger(__name__)

IDENTITY: Final = "delivery-id"
"""Header with the identity of a message."""
LARGEST_MESSAGE: Final = 10 * 1024**2
"""Bytes; the limit of Lasair's topics."""
_TOO_LARGE: Final = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD})
_LOOK_SECONDS: Final = 30.0


@dataclass(frozen=True)
class Outgoing:
    """A message for a topic."""

    topic: str
    identity: str
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True)
class Written:
    """Location of a message."""

    partition: int
    offset: int


@dataclass(frozen=True)
class Refused:
    """Why a message was not confirmed."""

    reason: str
    of_the_message: bool
    """Whether the topic refuses this message; otherwise Kafka was unavailable, and it may still arrive."""


class Topics:
    """The filters' topics of a cluster; not for several threads at once.

    Parameters
    ----------
    cluster : ClusterSettings
        Settings to reach it.
    confirm_seconds : float
        Time limit for confirmations; nothing is repeated within it.
    replication : int
        Replicas of new topics.
    retention_days : float
        How long new topics keep messages.
    """

    def __init__(
        self,
        cluster: ClusterSettings,
        *,
        confirm_seconds: float = 15.0,
        replication: int = 1,
        retention_days: float = 30,
    ) -> None:
        self._cluster = cluster
        self._seconds = confirm_seconds
        self._replication = replication
        self._retention_days = retention_days
        self._producer: Producer | None = None
        self._known: set[str] = set()

    def send(self, messages: Sequence[Outgoing]) -> dict[str, Written | Refused]:
        """Send messages, and wait for Kafka's answers.

        Parameters
        ----------
        messages : sequence of Outgoing
            Messages, in the order in which each topic gets them.

        Returns
        -------
        dict
            Results by identity. Messages without an answer from Kafka may nevertheless be in the topic, see `seen`.

        Raises
        ------
        SinkUnavailableError
            If Kafka is unavailable before anything was sent.
        """
        if not messages:
            return {}
        self._ensure({message.topic for message in messages})
        producer = self._started()
        found: dict[str, Written | Refused] = {}

        def noted(identity: str) -> Any:
            def callback(error: KafkaError | None, message: Any) -> None:
                if error is None:
                    found[identity] = Written(message.partition(), message.offset())
                else:
                    found[identity] = Refused(error.str(), error.code() in _TOO_LARGE)

            return callback

        for message in messages:
            headers: list[tuple[str, str | bytes | None]] = [(IDENTITY, message.identity.encode()), *message.headers]
            while True:
                try:
                    producer.produce(message.topic, message.value, headers=headers, on_delivery=noted(message.identity))
                    break
                except BufferError:
                    producer.poll(0.1)
                except KafkaException as error:
                    found[message.identity] = Refused(error.args[0].str(), error.args[0].code() in _TOO_LARGE)
                    break
            producer.poll(0)
        try:
            producer.flush(self._seconds + 5.0)
        except (KafkaException, SystemError) as error:  # the latter if a fatal error occurs in a callback
            log.warning("Kafka refuses our producer: %s", error)
        for message in messages:
            found.setdefault(message.identity, Refused("Kafka did not answer in time", of_the_message=False))
        if any(isinstance(one, Refused) and not one.of_the_message for one in found.values()):
            self.close()  # what it still holds must not be sent after the repetition
        return found

    def seen(self, topic: str, position: int | None, identities: Collection[str]) -> tuple[dict[str, Written], int]:
        """Find which messages are in a topic from a position on, and the position after its last message.

        Raises
        ------
        SinkUnavailableError
            If Kafka is unavailable.
        """
        wanted, found = set(identities), dict[str, Written]()
        consumer = Consumer(
            self._configuration(
                {
                    "group.id": "broker-assets-delivery",
                    "enable.auto.commit": False,
                    "enable.auto.offset.store": False,
                    "auto.offset.reset": "earliest",
                    "enable.partition.eof": True,
                    "fetch.wait.max.ms": 100,
                }
            ),
            logger=client_log(__name__),
        )
        after = position or 0
        deadline = time.monotonic() + _LOOK_SECONDS
        try:
            known = consumer.list_topics(topic, timeout=self._seconds).topics.get(topic)
            if known is None or known.error is not None:
                return found, after  # it was never created, or was deleted
            consumer.assign([TopicPartition(topic, 0, after)])
            while time.monotonic() < deadline:
                for message in consumer.consume(500, 0.5):
                    error = message.error()
                    if error is not None:
                        if error.code() == KafkaError._PARTITION_EOF:
                            return found, max(after, message.offset() or 0)
                        raise SinkUnavailableError(f"the end of {topic} cannot be read: {error.str()}")
                    offset = message.offset() or 0
                    after = offset + 1
                    identity = identity_of(message.headers())
                    if identity in wanted and identity is not None:
                        found.setdefault(identity, Written(message.partition() or 0, offset))
        except KafkaException as error:
            raise SinkUnavailableError(f"the end of {topic} cannot be read: {error.args[0].str()}") from None
        finally:
            consumer.close()
        raise SinkUnavailableError(f"the end of {topic} was not reached in {_LOOK_SECONDS:g} s")

    def close(self) -> None:
        """Discard unconfirmed messages, and disconnect."""
        if self._producer is not None:
            self._producer.purge(in_queue=True, in_flight=True, blocking=False)
            self._producer.flush(1.0)
            self._producer = None
        self._known.clear()

    def _ensure(self, topics: Collection[str]) -> None:
        missing = set(topics) - self._known
        if not missing:
            return
        try:
            admin = AdminClient(self._configuration({}), logger=client_log(__name__))
            present = {
                name for name, one in admin.list_topics(timeout=self._seconds).topics.items() if one.error is None
            }
            configuration = {
                "retention.ms": str(round(self._retention_days * 86_400_000)),
                "max.message.bytes": str(LARGEST_MESSAGE),
            }
            wanted = [
                NewTopic(name, num_partitions=1, replication_factor=self._replication, config=configuration)
                for name in sorted(missing - present)
            ]
            for future in admin.create_topics(wanted, operation_timeout=self._seconds).values() if wanted else ():
                try:
                    future.result(self._seconds)
                except KafkaException as error:
                    if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                        raise
        except KafkaException as error:
            raise SinkUnavailableError(f"Kafka at {self._cluster.bootstrap_servers}: {error.args[0].str()}") from None
        self._known |= missing

    def _started(self) -> Producer:
        if self._producer is None:
            milliseconds = round(self._seconds * 1000)
            self._producer = Producer(
                self._configuration(
                    {
                        "enable.idempotence": True,
                        "linger.ms": 5,
                        "compression.type": "lz4",
                        "message.max.bytes": LARGEST_MESSAGE,
                        "delivery.timeout.ms": milliseconds,
                        "request.timeout.ms": max(milliseconds // 2, 1000),
                    }
                ),
                logger=client_log(__name__),
            )
        return self._producer

    def _configuration(self, properties: Mapping[str, Any]) -> dict[str, Any]:
        if not self._cluster.bootstrap_servers:
            raise SinkUnavailableError("no Kafka is configured for delivery: set BROKER_KAFKA__BOOTSTRAP_SERVERS")
        try:
            given = self._cluster.properties()
        except SecretFileError as error:
            raise SinkUnavailableError(f"our credentials for Kafka are missing: {error}") from None
        return {
            "client.id": "broker-assets-delivery",
            "socket.connection.setup.timeout.ms": 5_000,
            "reconnect.backoff.max.ms": 2_000,
            **given,
            "bootstrap.servers": self._cluster.bootstrap_servers,
            **properties,
        }


def identity_of(headers: Any) -> str | None:
    """The identity in the headers of a message, if it has one."""
    for name, value in headers or ():
        if name == IDENTITY and value is not None:
            return bytes(value).decode("ascii", "replace")
    return None
