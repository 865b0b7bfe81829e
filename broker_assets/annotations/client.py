"""For running an annotator: read the topic of a filter, classify, and send annotations back.

`run_annotator` is the whole program except for the function that classifies. Nothing is lost: a message counts as read
when the broker has confirmed its annotation, and a program that was stopped continues where it was. It needs this
module, `annotations.content` and confluent-kafka, and no other part of the platform.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer

from broker_assets.annotations.content import AnnotationRefused, annotation
from broker_assets.kafka_log import client_log

logger = logging.getLogger(__name__)

AT_A_TIME: Final = 100
"""Messages after which positions are committed."""
FLUSH_SECONDS: Final = 30.0
"""Longest wait for the broker to confirm annotations."""

_REFUSED: Final = frozenset({KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED})
"""Errors that waiting does not change; a topic that does not exist may still be created."""

Said = str | Mapping[str, Any] | None
Classify = Callable[[Mapping[str, Any]], Said]
"""Returns the class of a message of the filter, or a document with `classification` and other fields of an annotation
(`explanation`, `classdict`, `url`), or None for no annotation."""


class NotSentError(RuntimeError):
    """The broker did not confirm annotations; the next run classifies the unconfirmed messages again."""


@dataclass
class Annotated:
    """Counts of a run."""

    read: int = 0
    """Messages of the filter."""
    sent: int = 0
    """Annotations that the broker has confirmed."""
    silent: int = 0
    """Messages that were not annotated."""
    failed: int = 0
    """Messages that could not be classified, or whose annotation is not valid; they are logged."""


def run_annotator(
    classify: Classify,
    *,
    filter_topic: str,
    annotator: str,
    servers: str,
    group: str,
    version: str = "0.1",
    kafka_topic: str | None = None,
    reading: Mapping[str, Any] | None = None,
    sending: Mapping[str, Any] | None = None,
    most: int | None = None,
    idle_seconds: float | None = None,
) -> Annotated:
    """Classify the messages of a filter, and send annotations back.

    Parameters
    ----------
    classify : callable
        See `Classify`. An exception affects only its message: it is logged, and the next message is classified.
    filter_topic : str
        Kafka topic of the filter.
    annotator : str
        Topic of the annotator, see `broker-assets annotator add`.
    servers : str
        Kafka servers, `host:port`.
    group : str
        Consumer group, under which Kafka stores the positions; two programs with the same group share the messages.
    version : str
        Version of the annotator.
    kafka_topic : str, optional
        Kafka topic of the annotator; default: `anno_<annotator>`.
    reading, sending : mapping, optional
        Further properties of librdkafka for the two clients, such as credentials or other servers.
    most : int, optional
        Number of messages after which it ends; default: no limit.
    idle_seconds : float, optional
        Ends when nothing has arrived for this long; default: never.

    Raises
    ------
    NotSentError
        If the broker does not confirm annotations.
    confluent_kafka.KafkaException
        If Kafka refuses, for example a user without permission to read.
    """
    done = Annotated()
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            # The topic of a filter is created with its first message; by default the client would notice it after five
            # minutes.
            "topic.metadata.refresh.interval.ms": 5000,
            **(reading or {}),
        },
        logger=client_log(__name__),
    )
    producer = Producer(
        {"bootstrap.servers": servers, "enable.idempotence": True, **(sending or {})}, logger=client_log(__name__)
    )
    topic = kafka_topic or f"anno_{annotator}"
    refusals: list[str] = []

    def answered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            refusals.append(error.str())

    try:
        consumer.subscribe([filter_topic])
        last = time.monotonic()
        while most is None or done.read < most:
            if idle_seconds is not None and time.monotonic() - last > idle_seconds:
                break
            messages = consumer.consume(AT_A_TIME if most is None else min(AT_A_TIME, most - done.read), 1.0)
            if not messages:
                continue
            last = time.monotonic()
            before, sent = done.read, 0
            for message in messages:
                error = message.error()
                if error is not None:
                    if error.fatal() or error.code() in _REFUSED:
                        raise KafkaException(error)
                    continue
                done.read += 1
                document = _classified(classify, message.value() or b"", annotator, version, done)
                if document is not None:
                    producer.produce(topic, json.dumps(document).encode(), on_delivery=answered)
                    sent += 1
            left = producer.flush(FLUSH_SECONDS)
            if left:
                raise NotSentError(f"{left} annotations were not confirmed by {servers} within {FLUSH_SECONDS:.0f} s")
            if refusals:
                raise NotSentError(f"{len(refusals)} of {sent} annotations were not accepted: {refusals[0]}")
            done.sent += sent
            if done.read > before:  # not just reports from Kafka, such as that the topic does not exist yet
                consumer.commit(asynchronous=False)
    finally:
        consumer.close()
    return done


def _classified(
    classify: Classify, value: bytes, annotator: str, version: str, done: Annotated
) -> Mapping[str, Any] | None:
    """The annotation of a message, if there is one."""
    try:
        row = json.loads(value)
        said = classify(row)
        if said is None:
            done.silent += 1
            return None
        document = {"classification": said} if isinstance(said, str) else dict(said)
        document.setdefault("diaObjectId", _object_of(row))
        # Mistakes that the broker would refuse are found here, in the program that made them.
        made = annotation(annotator, document, version=version, named=lambda name: 0)
    except AnnotationRefused as error:
        logger.warning("not an annotation: %s", error)
    except Exception:
        logger.exception("a message of the filter could not be classified")
    else:
        return {
            "objectId": document["diaObjectId"],
            "topic": annotator,
            "classification": made.classification,
            "version": made.version,
            "explanation": made.explanation,
            "classdict": json.loads(made.classdict),
            "url": made.url,
        }
    done.failed += 1
    return None


def _object_of(row: Mapping[str, Any]) -> Any:
    """The object in a row of a filter, ignoring the case of the column."""
    for name, value in row.items():
        if name.lower() in ("diaobjectid", "objectid"):
            return value
    return None
