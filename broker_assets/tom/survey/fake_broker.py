"""A broker for rehearsals: two classifiers that answer each alert, one always sure and one at random.

Its messages are those of the campaigns' test broker, so that a cycle of the survey can be rehearsed, and counted,
without any broker.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from confluent_kafka import Consumer, KafkaError, KafkaException

from broker_assets.kafka_log import client_log
from broker_assets.tom.messages.writing import classification_datums
from broker_assets.tom.survey.kafka_topics import KafkaTopics, Outgoing, SendFailed, alert_number

BROKER: Final = ("FakeBroker", "v1.0")
"""Name and version of the broker."""
SURE: Final = ("NugentClassifier", "100%")
"""The classifier that takes every alert for a supernova of type Ia."""
SURE_CLASS: Final = 2222
RANDOM: Final = ("RandomSNType", "Perfect")
"""The classifier that gives each class in turn a random fraction of the remaining probability."""
RANDOM_CLASSES: Final = (
    2222, 2223, 2224, 2225, 2226, 2232, 2233, 2234, 2235, 2243, 2244, 2245, 2246, 2322, 2323, 2324, 2325, 2326, 2332,
)  # fmt: skip
REST_CLASS: Final = 2242
"""The class that gets the rest."""
AT_A_TIME: Final = 100


class ReceivedAlert(NamedTuple):
    """An alert as it arrived."""

    alert: int
    source: int
    published_ms: int
    """Kafka time of the alert, milliseconds since 1970."""


class Answered(NamedTuple):
    """Results of a run."""

    alerts: int
    messages: int
    unread: int = 0
    """Messages that are not alerts; they are left out."""
    missing: tuple[str, ...] = ()
    """Topics of alerts that did not exist at the end."""


def answers(alerts: Sequence[ReceivedAlert], now_ms: int, random: np.random.Generator) -> list[bytes]:
    """The messages about some alerts, two for each, as datums.

    Parameters
    ----------
    alerts : sequence of ReceivedAlert
        The alerts.
    now_ms : int
        When they were received, milliseconds since 1970.
    random : numpy.random.Generator
        For the second classifier.
    """
    count, classes = len(alerts), len(RANDOM_CLASSES)
    order = np.argsort(random.random((count, classes)), axis=1)
    fraction = random.random((count, classes))
    left = np.cumprod(1.0 - fraction, axis=1)
    before = np.concatenate([np.ones((count, 1)), left[:, :-1]], axis=1)
    probability = np.concatenate([fraction * before, left[:, -1:]], axis=1).astype(np.float32)
    chosen = np.concatenate(
        [np.array(RANDOM_CLASSES)[order], np.full((count, 1), REST_CLASS)], axis=1
    )  # fmt: skip
    common = {
        "alert_id": [one.alert for one in alerts],
        "diasource_id": [one.source for one in alerts],
        "elasticcpublishtimestamp": [one.published_ms for one in alerts],
        "brokeringesttimestamp": [now_ms] * count,
        "brokername": [BROKER[0]] * count,
        "brokerversion": [BROKER[1]] * count,
    }
    sure = classification_datums(
        pa.table(
            common
            | {
                "classifiername": [SURE[0]] * count,
                "classifierparams": [SURE[1]] * count,
                "classid": pa.array([[SURE_CLASS]] * count, pa.list_(pa.int64())),
                "probability": pa.array([[1.0]] * count, pa.list_(pa.float32())),
            }
        )
    )
    drawn = classification_datums(
        pa.table(
            common
            | {
                "classifiername": [RANDOM[0]] * count,
                "classifierparams": [RANDOM[1]] * count,
                "classid": pa.array(chosen.tolist(), pa.list_(pa.int64())),
                "probability": pa.array(probability.tolist(), pa.list_(pa.float32())),
            }
        )
    )
    return [datum for pair in zip(sure, drawn, strict=True) for datum in pair]


def run_fake_broker(
    configuration: Mapping[str, Any],
    sources: Sequence[str],
    target: str,
    *,
    group: str = "rknop-test",
    seed: int | None = None,
    idle_seconds: float | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Answered:
    """Answer the alerts of some topics.

    Parameters
    ----------
    configuration : mapping
        Properties of librdkafka: servers and credentials.
    sources : sequence of str
        Topics of alerts; missing ones are looked for repeatedly.
    target : str
        Topic of the answers.
    group : str
        Consumer group, which keeps the positions.
    seed : int, optional
        Seed of the random classifier.
    idle_seconds : float, optional
        End when nothing has arrived for this long; otherwise only `stop` ends it.
    stop : callable
        Asked between two reads.

    Raises
    ------
    SendFailed
        If Kafka cannot be reached, or does not take the answers.
    """
    random = np.random.default_rng(seed)
    topics = KafkaTopics(configuration)
    consumer = Consumer(
        {
            **configuration,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "topic.metadata.refresh.interval.ms": 1000,
            "allow.auto.create.topics": False,
        },
        logger=client_log(__name__),
    )
    alerts = unread = 0
    missing: tuple[str, ...] = ()
    try:
        consumer.subscribe(list(sources))
        last = time.monotonic()
        while not stop() and (idle_seconds is None or time.monotonic() - last < idle_seconds):
            received: list[ReceivedAlert] = []
            before = unread
            for message in consumer.consume(AT_A_TIME, 0.2):
                error = message.error()
                if error is None:
                    try:
                        # An alert has the number of its detection.
                        number = alert_number(message.value() or b"")
                    except ValueError:
                        unread += 1
                        continue
                    received.append(ReceivedAlert(number, number, message.timestamp()[1]))
                elif error.code() not in (KafkaError._PARTITION_EOF, KafkaError.UNKNOWN_TOPIC_OR_PART):
                    raise SendFailed(f"the alerts cannot be read: {error.str()}")
            if received or unread > before:
                datums = answers(received, time.time_ns() // 1_000_000, random) if received else []
                if datums:
                    topics.send([Outgoing(target, datum) for datum in datums])
                consumer.commit(asynchronous=False)
                alerts += len(received)
                last = time.monotonic()
        missing = _missing(consumer, sources)
    except KafkaException as error:
        raise SendFailed(f"the alerts cannot be read: {error.args[0].str()}") from None
    finally:
        consumer.close()
        topics.close()
    return Answered(alerts, 2 * alerts, unread, missing)


def _missing(consumer: Consumer, topics: Sequence[str]) -> tuple[str, ...]:
    """Topics that do not exist; none if Kafka cannot be asked, since the answers have been given."""
    try:
        known = consumer.list_topics(timeout=5).topics
    except KafkaException:
        return ()
    return tuple(topic for topic in topics if topic not in known)
