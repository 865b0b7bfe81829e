"""Notices of gravitational-wave events from Kafka: each exactly once, in the transaction of its position."""

from __future__ import annotations

import datetime
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from broker_assets.accounting import ledger, quarantine
from broker_assets.database.engine import connect
from broker_assets.sky.events import BadNotice, apply_notice, read_notice
from broker_assets.sky.skymaps import NotASkyMap
from broker_assets.stream.messages import LATE_FETCH_SECONDS, Message, MessageSource

NOTICES_VERSION = "1"
_GAP = "deleted by the broker before they were read"


@dataclass
class NoticesRead:
    """Result of a run."""

    effects: list[str] = field(default_factory=list)
    """Effect of each notice, in words."""
    stored: int = 0
    """Notices that added a row or retracted an event."""
    duplicate: int = 0
    """Notices that were already known, or had nothing to store."""
    quarantined: int = 0
    """Notices that could not be used."""


def read_notices(
    source: MessageSource,
    database_url: str,
    topic: str,
    *,
    run_id: str | None = None,
    idle_seconds: float = 2.0,
) -> NoticesRead:
    """Apply the notices waiting on the topic, one by one.

    Parameters
    ----------
    source : MessageSource
        Source of the topic; positions are those of `stream_offset`.
    database_url : str
        SQLAlchemy URL of the broker's database.
    topic : str
        Kafka topic.
    run_id : str, optional
        Goes into the ledger.
    idle_seconds : float
        The run ends when nothing has arrived for this long.

    Raises
    ------
    StreamBusy
        If another run reads the topic.
    SourceError
        If the broker is unavailable; what was applied before stays.
    """
    done = NoticesRead()
    with connect(database_url, application="broker-assets notices", autocommit=True) as connection:
        partitions = source.partitions()
        with ledger.lock_partitions(connection, topic, partitions):
            positions = _begin(connection, source, topic, partitions, run_id)
            last = time.monotonic()
            while time.monotonic() - last < idle_seconds or _waits(source, positions, time.monotonic() - last):
                for message in source.consume(100, min(idle_seconds, 0.5)):
                    with connection.transaction():
                        _apply(connection, topic, message, positions, run_id, done)
                    positions[message.partition] = message.offset + 1
                    last = time.monotonic()
    return done


def _waits(source: MessageSource, positions: Mapping[int, int], silent: float) -> bool:
    """Whether messages are known to be waiting that a busy broker has not sent yet."""
    if silent >= LATE_FETCH_SECONDS:
        return False
    ends = source.end_offsets()
    return any(end > positions[partition] for partition, end in ends.items() if partition in positions)


def _begin(
    connection: psycopg.Connection[Any],
    source: MessageSource,
    topic: str,
    partitions: Sequence[int],
    run_id: str | None,
) -> dict[int, int]:
    """Assign the committed positions, or the first existing offset if retention has deleted messages."""
    stored = ledger.positions(connection, topic)
    source.assign({partition: stored.get(partition, 0) for partition in partitions})
    beginnings = source.beginning_offsets()
    positions = {partition: max(stored.get(partition, 0), beginnings[partition]) for partition in partitions}
    lost = [partition for partition in stored if partition in beginnings and stored[partition] < beginnings[partition]]
    for partition in lost:
        with connection.transaction():
            ingestid = _open(connection, topic, run_id)
            ledger.record_gap(
                connection, topic, partition, stored[partition], beginnings[partition], reason=_GAP, ingestid=ingestid
            )
            ledger.close_batch(
                connection, ingestid, ledger.BatchEntry(received=0, stored=0, duplicate=0, quarantined=0)
            )
    source.assign(positions)
    return positions


def _open(connection: psycopg.Connection[Any], topic: str, run_id: str | None) -> int:
    now = datetime.datetime.now(datetime.UTC)
    return ledger.open_batch(
        connection, topic=topic, kind="stream", code_version=NOTICES_VERSION, started_at=now, run_id=run_id
    )


def _apply(
    connection: psycopg.Connection[Any],
    topic: str,
    message: Message,
    positions: dict[int, int],
    run_id: str | None,
    done: NoticesRead,
) -> None:
    ingestid = _open(connection, topic, run_id)
    bad: list[quarantine.QuarantinedMessage] = []
    stored = 0
    try:
        notice = read_notice(message.value)
        applied = apply_notice(connection, notice)
        stored = int(applied.identifier is not None or notice.retracts)
        done.effects.append(applied.effect)
    except (BadNotice, NotASkyMap) as error:
        done.effects.append(f"offset {message.offset}: {error}")
        bad.append(
            quarantine.QuarantinedMessage(
                topic=topic,
                partition=message.partition,
                offset=message.offset,
                key=message.key,
                payload=message.value,
                reason=str(error),
                traceback=traceback.format_exc(),
            )
        )
    quarantine.add(connection, ingestid, bad)
    entry = ledger.BatchEntry(
        received=1, stored=stored, duplicate=1 - stored - len(bad), quarantined=len(bad), bytes=len(message.value)
    )
    ledger.close_batch(connection, ingestid, entry)
    read = ledger.Range(
        partition=message.partition,
        first_offset=positions[message.partition],
        next_offset=message.offset + 1,
        received=1,
    )
    ledger.advance(connection, ingestid, topic, [read])
    done.stored += stored
    done.duplicate += entry.duplicate
    done.quarantined += len(bad)
