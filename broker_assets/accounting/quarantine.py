"""The quarantine: messages that could not be read, kept with their bytes until a fix turns them into rows.

States: `open` → `retried` (failed again) → `resolved` (turned into rows) or `dismissed` (by an operator).
All functions work in the caller's transaction.

Messages are grouped by the kind of their reason: the reason without the numbers, offsets and bytes that differ from
message to message. So a fault of a survey is one line, however many messages it affects.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any, Final, Literal

import psycopg
from psycopg.rows import class_row
from pydantic import BaseModel, ConfigDict

State = Literal["open", "retried", "resolved", "dismissed"]

WAITING: Final[tuple[State, ...]] = ("open", "retried")
"""States of messages that wait for a fix or for an operator."""

_DIFFERS: Final = r"\mb''[^'']*''|\m0x[0-9a-f]+|\m[0-9a-f]*[0-9][0-9a-f]{7,}\M|[0-9]+(\.[0-9]+)?"
KIND: Final = rf"left(regexp_replace(split_part(reason, E'\n', 1), '{_DIFFERS}', '…', 'g'), 160)"
"""SQL for the kind of a reason."""

REASON_LENGTH = 2_000
"""Maximum length of a stored reason, characters."""
TRACEBACK_LENGTH = 20_000
"""Maximum length of a stored traceback, characters."""


class QuarantinedMessage(BaseModel):
    """A message that could not be read."""

    model_config = ConfigDict(frozen=True)

    topic: str
    """Kafka topic."""
    partition: int
    """Kafka partition."""
    offset: int
    """Kafka offset."""
    kafka_timestamp: datetime.datetime | None = None
    """Kafka timestamp."""
    key: bytes | None = None
    """Key of the message."""
    payload: bytes
    """The message as received."""
    reason: str
    """Why it could not be read."""
    traceback: str | None = None
    """Traceback of the error."""


class QuarantineEntry(QuarantinedMessage):
    """A quarantined message as stored in the database."""

    quarantineid: int
    """Identifier of the entry."""
    state: State
    """Its state."""
    ingestid: int
    """Batch that received it."""
    created_at: datetime.datetime
    """When it was received."""
    resolved_at: datetime.datetime | None
    """When it was resolved or dismissed."""
    resolved_ingestid: int | None
    """Batch that turned it into rows."""


def add(connection: psycopg.Connection[Any], ingestid: int, messages: Sequence[QuarantinedMessage]) -> None:
    """Quarantine messages of a batch."""
    with connection.cursor() as cursor:
        cursor.executemany(
            'INSERT INTO quarantine (topic, "partition", "offset", kafka_timestamp, key, payload, reason, traceback,'
            " ingestid) VALUES (%(topic)s, %(partition)s, %(offset)s, %(kafka_timestamp)s, %(key)s, %(payload)b,"
            " %(reason)s, %(traceback)s, %(ingestid)s)",
            [
                message.model_dump()
                | {
                    "ingestid": ingestid,
                    "reason": _storable(message.reason, REASON_LENGTH),
                    "traceback": _storable(message.traceback, TRACEBACK_LENGTH),
                }
                for message in messages
            ],
        )


def _storable(text: str | None, length: int) -> str | None:
    """Shorten a text and remove what PostgreSQL cannot store: reasons may quote arbitrary bytes."""
    if text is None:
        return None
    return text.replace("\x00", "\\0").encode("utf-8", "backslashreplace").decode("utf-8")[:length]


def entries(
    connection: psycopg.Connection[Any],
    *,
    states: Sequence[State] = WAITING,
    topic: str | None = None,
    after: int = 0,
    limit: int = 1000,
) -> list[QuarantineEntry]:
    """List quarantined messages by identifier, those above `after`, at most `limit`."""
    with connection.cursor(row_factory=class_row(QuarantineEntry)) as cursor:
        cursor.execute(
            'SELECT quarantineid, topic, "partition", "offset", kafka_timestamp, key, payload, reason, traceback,'
            " state, ingestid, created_at, resolved_at, resolved_ingestid FROM quarantine"
            " WHERE state = ANY(%(states)s) AND (%(topic)s::text IS NULL OR topic = %(topic)s)"
            " AND quarantineid > %(after)s ORDER BY quarantineid LIMIT %(limit)s",
            {"states": list(states), "topic": topic, "after": after, "limit": limit},
        )
        return cursor.fetchall()


class ReasonGroup(BaseModel):
    """Messages of one topic in quarantine for reasons of one kind."""

    topic: str
    kind: str
    """The reason without the parts that differ between messages."""
    waiting: int
    """Messages that wait."""
    retried: int
    """Number of these messages that failed again after a fix."""
    oldest: datetime.datetime
    newest: datetime.datetime
    example: int
    """Identifier of the first of them."""
    reason: str
    """Its reason."""


def groups(connection: psycopg.Connection[Any], *, topic: str | None = None, limit: int = 1000) -> list[ReasonGroup]:
    """Waiting messages by topic and kind of reason, most messages first."""
    with connection.cursor(row_factory=class_row(ReasonGroup)) as cursor:
        cursor.execute(
            _GROUPS,
            {"states": list(WAITING), "topic": topic, "limit": limit},
        )
        return cursor.fetchall()


_GROUPS: Final = f"""
WITH waiting AS (
    SELECT topic, {KIND} AS kind, count(*) AS waiting, count(*) FILTER (WHERE state = 'retried') AS retried,
        min(created_at) AS oldest, max(created_at) AS newest, min(quarantineid) AS example
    FROM quarantine WHERE state = ANY(%(states)s) AND (%(topic)s::text IS NULL OR topic = %(topic)s)
    GROUP BY topic, kind
)
SELECT waiting.*, quarantine.reason FROM waiting JOIN quarantine ON quarantineid = example
ORDER BY waiting DESC, waiting.topic, kind LIMIT %(limit)s
"""  # noqa: S608

_MATCHING: Final = f"""
state = ANY(%(states)s) AND (%(topic)s::text IS NULL OR topic = %(topic)s)
AND (%(reason)s::text IS NULL OR {KIND} = %(reason)s OR strpos(reason, %(reason)s) > 0)
"""
"""SQL condition for the messages that an operator selects."""


def matching(connection: psycopg.Connection[Any], *, topic: str | None = None, reason: str | None = None) -> list[int]:
    """Identifiers of the waiting messages of a topic, or with a reason.

    Parameters
    ----------
    connection : psycopg.Connection
    topic : str, optional
        Only of this topic.
    reason : str, optional
        Only with reasons of this kind, or that contain this text.
    """
    rows = connection.execute(
        f"SELECT quarantineid FROM quarantine WHERE {_MATCHING} ORDER BY quarantineid".encode(),  # noqa: S608
        {"states": list(WAITING), "topic": topic, "reason": reason},
    )
    return [number for (number,) in rows]


def of_kind(connection: psycopg.Connection[Any], topic: str, kind: str) -> list[int]:
    """Identifiers of the waiting messages of a group; see `groups`."""
    rows = connection.execute(
        f"SELECT quarantineid FROM quarantine WHERE state = ANY(%s) AND topic = %s AND {KIND} = %s"  # noqa: S608
        " ORDER BY quarantineid".encode(),
        (list(WAITING), topic, kind),
    )
    return [number for (number,) in rows]


def counts(connection: psycopg.Connection[Any]) -> dict[tuple[str, State], int]:
    """Count the messages of each topic and state."""
    rows = connection.execute("SELECT topic, state, count(*) FROM quarantine GROUP BY topic, state ORDER BY 1, 2")
    return {(topic, state): count for topic, state, count in rows}


def resolve(connection: psycopg.Connection[Any], quarantineids: Sequence[int], ingestid: int) -> int:
    """Record that messages became rows; return how many were still waiting.

    Raises
    ------
    LookupError
        If one of them is no longer waiting, for example after two simultaneous retries.
    """
    changed = connection.execute(
        "UPDATE quarantine SET state = 'resolved', resolved_at = now(), resolved_ingestid = %s"
        " WHERE quarantineid = ANY(%s) AND state IN ('open', 'retried')",
        (ingestid, list(quarantineids)),
    ).rowcount
    if changed != len(set(quarantineids)):
        raise LookupError(f"{len(set(quarantineids)) - changed} of the messages are no longer in quarantine")
    return changed


def fail(connection: psycopg.Connection[Any], quarantineid: int, *, reason: str, traceback: str | None = None) -> None:
    """Record that a message was read again and failed again."""
    connection.execute(
        "UPDATE quarantine SET state = 'retried', reason = %s, traceback = %s"
        " WHERE quarantineid = %s AND state IN ('open', 'retried')",
        (_storable(reason, REASON_LENGTH), _storable(traceback, TRACEBACK_LENGTH), quarantineid),
    )


def dismiss(connection: psycopg.Connection[Any], quarantineids: Sequence[int]) -> int:
    """Record that messages are not worth reading; return how many were waiting."""
    return connection.execute(
        "UPDATE quarantine SET state = 'dismissed', resolved_at = now()"
        " WHERE quarantineid = ANY(%s) AND state IN ('open', 'retried')",
        (list(quarantineids),),
    ).rowcount
