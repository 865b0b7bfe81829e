"""Notices of gravitational-wave events from Kafka: each exactly once, in the transaction of its position."""

from __future__ import annotations

from typing import Any

import psycopg

from broker_assets.settings import LIMITS, AttemptSettings, InputLimits
from broker_assets.sky.events import apply_notice, read_notice
from broker_assets.stream.consumer import Consumed, Handled, Topic, consume
from broker_assets.stream.messages import MessageSource

NOTICES_VERSION = "2"


def notice_topic(name: str, limits: InputLimits = LIMITS) -> Topic:
    """The topic of the notices, by its name in tables."""

    def handle(connection: psycopg.Connection[Any], content: bytes) -> Handled:
        notice = read_notice(content, limits=limits)
        applied = apply_notice(connection, notice, limits=limits)
        return Handled(applied.identifier is not None or notice.retracts, applied.effect)

    return Topic(name, handle, NOTICES_VERSION, limits.notice_bytes)


def read_notices(
    source: MessageSource,
    database_url: str,
    topic: str,
    *,
    run_id: str | None = None,
    idle_seconds: float = 2.0,
    limits: InputLimits = LIMITS,
    attempts: AttemptSettings | None = None,
) -> Consumed:
    """Apply the notices waiting on the topic, one by one; see `consume`.

    Parameters
    ----------
    source, database_url, topic : MessageSource, str, str
        Source, SQLAlchemy URL of the broker's database, and name of the topic.
    run_id : str, optional
        Goes into the ledger.
    idle_seconds : float
        The run ends when nothing has arrived for this long.
    limits : InputLimits
        Largest notices and maps.
    attempts : AttemptSettings, optional
        When a notice is blamed for runs that died.
    """
    return consume(
        source,
        database_url,
        notice_topic(topic, limits),
        attempts or AttemptSettings(),
        run_id=run_id,
        idle_seconds=idle_seconds,
    )
