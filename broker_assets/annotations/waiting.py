"""Annotations of objects that no alert has contained yet: held, applied when the object arrives, or given up later.

Another broker may be faster than our stream. Its messages wait here with their bytes; those whose object does not
arrive go to quarantine, from which they can be retried.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from broker_assets.annotations.content import Annotation, UnknownObject

Connection = psycopg.Connection[Any]

MOST: Final = 100_000
"""Most messages of an annotator that may wait."""
_CONTENT: Final = ("version", "classification", "explanation", "classdict", "url", "content")


@dataclass(frozen=True)
class AnnotationMessage:
    """The Kafka message of an annotation."""

    stream: str
    """Name of the stream, as in `stream_offset`."""
    partition: int
    offset: int
    time: datetime.datetime | None
    """Kafka timestamp."""
    key: bytes | None
    payload: bytes


@dataclass(frozen=True)
class Item:
    """An arriving annotation."""

    annotation: Annotation
    message: AnnotationMessage | None = None
    """Its message; None if it did not arrive in one."""
    received: datetime.datetime | None = None
    """When it arrived, if that was not now."""


def known_objects(connection: Connection, identifiers: Sequence[int]) -> set[int]:
    """Which of some objects alerts have contained."""
    rows = connection.execute("SELECT diaobjectid FROM objects WHERE diaobjectid = ANY(%s)", (list(set(identifiers)),))
    return {identifier for (identifier,) in rows}


def hold(
    connection: Connection, items: Sequence[Item], ingestid: int, *, most: int = MOST
) -> list[UnknownObject | None]:
    """Hold messages for their objects, in the caller's transaction with their annotators locked.

    Returns
    -------
    list of UnknownObject or None
        None for each message that waits; the error for those beyond the limit.
    """
    topics = sorted({item.annotation.topic for item in items})
    counts = dict.fromkeys(topics, 0) | dict(
        connection.execute(
            "SELECT topic, count(*) FROM annotation_waiting WHERE topic = ANY(%s) GROUP BY topic", (topics,)
        ).fetchall()
    )
    answers: list[UnknownObject | None] = []
    held: list[tuple[Any, ...]] = []
    for item in items:
        said, message = item.annotation, item.message
        if message is None:
            raise ValueError("only messages wait")
        if counts[said.topic] >= most:
            answers.append(
                UnknownObject(
                    f"no alert has brought the object {said.diaobjectid}, and {most} annotations of {said.topic} wait"
                    " for their objects already"
                )
            )
            continue
        counts[said.topic] += 1
        answers.append(None)
        content = [getattr(said, name) for name in _CONTENT]
        held.append(
            (said.diaobjectid, said.topic, item.received, *content, ingestid, message.stream, message.partition,
             message.offset, message.time, message.key, message.payload)
        )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO annotation_waiting (diaobjectid, topic, timestamp, {', '.join(_CONTENT)}, ingestid, stream,"  # noqa: S608
            ' "partition", "offset", kafka_timestamp, key, payload) VALUES (%s, %s, coalesce(%s, clock_timestamp()),'
            " %s, %s, %s, %s::jsonb, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            held,
        )
    return answers


def take(connection: Connection, said: Sequence[Annotation]) -> list[Item]:
    """Take messages of these annotators that wait for these objects, in order of arrival."""
    if not said:
        return []
    return _taken(
        connection,
        "DELETE FROM annotation_waiting AS gone USING (SELECT DISTINCT * FROM unnest(%s::bigint[], %s::text[])"
        " AS wanted (diaobjectid, topic)) AS wanted"
        " WHERE gone.diaobjectid = wanted.diaobjectid AND gone.topic = wanted.topic",
        ([item.diaobjectid for item in said], [item.topic for item in said]),
    )


def ready_topics(connection: Connection) -> list[str]:
    """Annotators with messages whose objects have arrived; messages of removed annotators are given up in time."""
    rows = connection.execute(
        "SELECT DISTINCT topic FROM annotation_waiting JOIN objects USING (diaobjectid)"
        " JOIN annotators USING (topic) ORDER BY topic"
    )
    return [topic for (topic,) in rows]


def expired(connection: Connection, *, hours: float) -> bool:
    """Whether a message has waited longer than some hours."""
    row = connection.execute(
        "SELECT EXISTS (SELECT FROM annotation_waiting WHERE timestamp < now() - %s * interval '1 hour')", (hours,)
    ).fetchone()
    return row == (True,)


def take_ready(connection: Connection, topics: Sequence[str], *, limit: int) -> list[Item]:
    """Take messages of these annotators whose objects have arrived, in the order of arrival."""
    return _taken(
        connection,
        "DELETE FROM annotation_waiting AS gone USING (SELECT waiting.diaobjectid, waitingid"
        " FROM annotation_waiting AS waiting JOIN objects USING (diaobjectid) WHERE topic = ANY(%s)"
        " ORDER BY waitingid LIMIT %s) AS first"
        " WHERE gone.diaobjectid = first.diaobjectid AND gone.waitingid = first.waitingid",
        (list(topics), limit),
    )


def take_expired(connection: Connection, *, hours: float, limit: int) -> list[Item]:
    """Take messages that have waited longer than some hours, in the order of arrival."""
    return _taken(
        connection,
        "DELETE FROM annotation_waiting AS gone USING (SELECT diaobjectid, waitingid FROM annotation_waiting"
        " WHERE timestamp < now() - %s * interval '1 hour' ORDER BY waitingid LIMIT %s FOR UPDATE SKIP LOCKED)"
        " AS first WHERE gone.diaobjectid = first.diaobjectid AND gone.waitingid = first.waitingid",
        (hours, limit),
    )


def _taken(connection: Connection, statement: str, values: tuple[Any, ...]) -> list[Item]:
    rows = connection.execute(
        f"{statement} RETURNING gone.waitingid, gone.topic, gone.diaobjectid, gone.classification, gone.version,"
        " gone.explanation, gone.classdict::text, gone.url, gone.content, gone.timestamp, gone.stream,"
        ' gone."partition", gone."offset", gone.kafka_timestamp, gone.key, gone.payload'.encode(),
        values,
    ).fetchall()
    return [
        Item(Annotation(*row[1:9]), AnnotationMessage(*row[10:]), row[9])
        for row in sorted(rows, key=lambda row: row[0])
    ]
