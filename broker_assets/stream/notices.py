"""Stores notices of events from Kafka: each exactly once, in the transaction of its position.

Notices of gravitational-wave events contain sky maps; those of events with an error circle become cones of moving
lists.
"""

from __future__ import annotations

from typing import Any

import psycopg

from broker_assets.settings import AttemptSettings, MovingListSettings, Settings
from broker_assets.settings.limits import LIMITS, InputLimits
from broker_assets.sky.event_notices import read_event_notice
from broker_assets.sky.events import apply_notice, read_notice
from broker_assets.sky.moving_lists import apply_event_notice
from broker_assets.stream.messages import MessageSource
from broker_assets.stream.one_by_one import Consumed, Handled, Topic, consume

NOTICES_VERSION = "2"
MOVING_LISTS_VERSION = "1"


def notice_topics(settings: Settings) -> dict[str, Topic]:
    """Every topic of notices in the settings, by its name in tables."""
    maps = settings.notice_location()
    found = {} if maps is None else {maps.name: notice_topic(maps.name, settings.limits)}
    for wanted in settings.notices.lists:
        for topic in wanted.topics:
            found[topic] = moving_list_topic(topic, wanted, settings.limits)
    return found


def notice_topic(name: str, limits: InputLimits = LIMITS) -> Topic:
    """The topic of the notices, by its name in tables."""

    def handle(connection: psycopg.Connection[Any], content: bytes, ingestid: int) -> Handled:
        notice = read_notice(content, limits=limits)
        applied = apply_notice(connection, notice, ingestid, limits=limits)
        return Handled(applied.identifier is not None or notice.retracts, applied.effect)

    return Topic(name, handle, NOTICES_VERSION, limits.notice_bytes)


def moving_list_topic(name: str, wanted: MovingListSettings, limits: InputLimits = LIMITS) -> Topic:
    """A topic of a moving list, by its name in tables."""

    def handle(connection: psycopg.Connection[Any], content: bytes, ingestid: int) -> Handled:
        notice = read_event_notice(content, limits=limits)
        applied = apply_event_notice(connection, notice, wanted, topic=name, ingestid=ingestid)
        return Handled(applied.stored, applied.effect)

    return Topic(name, handle, MOVING_LISTS_VERSION, limits.notice_bytes)


def read_notices(
    source: MessageSource,
    database_url: str,
    topic: Topic,
    *,
    run_id: str | None = None,
    idle_seconds: float = 2.0,
    attempts: AttemptSettings | None = None,
) -> Consumed:
    """Apply the notices waiting on the topic, one by one; see `consume`.

    Parameters
    ----------
    source, database_url, topic : MessageSource, str, Topic
        Source, SQLAlchemy URL of the broker's database, and topic; see `notice_topics`.
    run_id : str, optional
        Goes into the ledger.
    idle_seconds : float
        The run ends when nothing has arrived for this long.
    attempts : AttemptSettings, optional
        When to blame a notice for runs that died.
    """
    return consume(
        source,
        database_url,
        topic,
        attempts or AttemptSettings(),
        run_id=run_id,
        idle_seconds=idle_seconds,
    )
