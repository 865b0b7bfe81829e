"""A run that reads the topics of all brokers of the survey, each in a thread of its own, while messages wait.

Topics that match a pattern are searched for at each check, so that a topic that a broker has just created is read at
once.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

import psycopg

from broker_assets.accounting import ledger
from broker_assets.database.engine import connect
from broker_assets.settings import Settings, StreamLocation
from broker_assets.stream.broker_message_batches import MessagesRead, read_broker_messages
from broker_assets.stream.broker_messages import BrokerStream, broker_of
from broker_assets.stream.messages import MessageSource, SourceError
from broker_assets.stream.streams_run import StreamsRun, read_streams
from broker_assets.stream.subscriptions import Subscription
from broker_assets.stream.topic_ends import Ends, ask_ends

OpenSource = Callable[[StreamLocation], MessageSource | Subscription]
ListTopics = Callable[[StreamLocation], list[str]]
"""Asks Kafka for the topics of a cluster; the name in the location is ignored."""


@dataclass
class BrokerLag:
    """What waits."""

    lag: dict[str, int] = field(default_factory=dict)
    """Messages by name of the stream; topics that do not exist are left out."""
    positions: dict[str, dict[int, int]] = field(default_factory=dict)
    """Committed positions of every stream."""
    streams: dict[str, BrokerStream] = field(default_factory=dict)
    """The streams."""
    problems: dict[str, str] = field(default_factory=dict)
    """Why the lag of a stream or a broker is unknown, by name."""


class BrokerRun(StreamsRun[MessagesRead]):
    """Result of a run."""


def broker_streams(
    settings: Settings, list_topics: ListTopics, today: datetime.date
) -> tuple[dict[str, BrokerStream], dict[str, str]]:
    """The streams of all active brokers, and what is wrong with brokers whose topics are unknown.

    Parameters
    ----------
    settings : Settings
        Brokers and clusters.
    list_topics : callable
        Asks Kafka for topics.
    today : date
        Date near which the dates in names of topics must be.
    """
    found: list[BrokerStream] = []
    problems: dict[str, str] = {}
    for name, broker in settings.survey.brokers.items():
        if not broker.active:
            continue
        topics = list(broker.topics)
        if broker.pattern is not None:
            try:
                every = list_topics(settings.broker_location(name, "", broker.cluster))
                topics += sorted(topic for topic in every if broker.matches(topic, today))
            except (SourceError, LookupError) as error:
                problems[name] = str(error)
        found += [BrokerStream(name, topic, broker) for topic in dict.fromkeys(topics)]
    return {stream.name: stream for stream in found}, problems


def stream_named(settings: Settings, name: str) -> BrokerStream:
    """The stream with this name, whether or not its broker is active.

    Raises
    ------
    LookupError
        If the settings have no such broker.
    """
    named = broker_of(name)
    if named is None or named[0] not in settings.survey.brokers:
        raise LookupError(f"the settings have no broker with the stream {name}")
    return BrokerStream(*named, settings.survey.brokers[named[0]])


def look(
    connection: psycopg.Connection[Any],
    settings: Settings,
    ends: Ends,
    list_topics: ListTopics,
    *,
    today: datetime.date | None = None,
    being_read: Collection[str] = (),
) -> BrokerLag:
    """Determine what waits on the topics of brokers.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    settings : Settings
        Brokers and clusters.
    ends, list_topics : callable
        Ask Kafka; called from several threads.
    today : date, optional
        Default: the date in UTC.
    being_read : collection of str
        Streams that are being read; subscriptions among them are not asked, since that would take messages from the
        reader.
    """
    day = today or datetime.datetime.now(datetime.UTC).date()
    streams, problems = broker_streams(settings, list_topics, day)
    found = BrokerLag(streams=streams, problems=problems)
    found.positions = {name: ledger.positions(connection, name) for name in streams}

    asked = {
        name: positions for name, positions in found.positions.items()
        if streams[name].settings.pubsub is None or name not in being_read
    }  # fmt: skip
    known, unknown = ask_ends(asked, lambda name: stream_location(settings, streams[name]), ends)
    found.problems |= unknown
    found.lag = {name: sum(one.lag(found.positions[name]).values()) for name, one in known.items()}
    return found


def stream_location(settings: Settings, stream: BrokerStream) -> StreamLocation:
    """Location of the messages of a stream.

    Raises
    ------
    LookupError
        If the settings have no servers for the cluster of its broker.
    """
    of = stream.settings
    return settings.broker_location(stream.name, stream.topic, of.cluster, of.pubsub)


def run_brokers(
    database_url: str,
    settings: Settings,
    open_source: OpenSource,
    ends: Ends,
    list_topics: ListTopics,
    *,
    run_id: str | None = None,
    idle_seconds: float | None = None,
    forever: bool = False,
    stop: Callable[[], bool] = lambda: False,
) -> BrokerRun:
    """Read the topics of brokers until nothing has arrived for a while or the time is up.

    Parameters
    ----------
    database_url : str
        SQLAlchemy URL of the broker's database.
    settings : Settings
        Brokers, clusters and limits.
    open_source : callable
        Opens a topic; the source is closed here.
    ends, list_topics : callable
        Ask Kafka.
    run_id : str, optional
        Goes into the ledger.
    idle_seconds : float, optional
        Overrides the value in the settings.
    forever : bool
        Whether only `stop` ends the run.
    stop : callable
        Whether the run should end; it finishes what it is reading.

    Raises
    ------
    psycopg.OperationalError
        If the database fails.
    """
    run = BrokerRun()
    limits = settings.survey
    idle = limits.idle_seconds if idle_seconds is None else idle_seconds
    deadline = time.monotonic() + limits.budget_seconds
    streams: dict[str, BrokerStream] = {}
    with connect(database_url, application="broker-assets messages", autocommit=True) as connection:

        def look_at(being_read: Collection[str]) -> tuple[Collection[str], bool]:
            lag = look(connection, settings, ends, list_topics, being_read=being_read)
            run.problems |= lag.problems
            streams.update(lag.streams)
            waiting = [name for name, messages in lag.lag.items() if messages]
            return waiting, bool(waiting)

        def read(name: str) -> MessagesRead:
            until = time.monotonic() + limits.budget_seconds if forever else deadline
            return _read(streams[name], database_url, settings, open_source, until, run_id)

        read_streams(
            run,
            look_at,
            read,
            goes_on=lambda: not stop() and (forever or time.monotonic() < deadline),
            idle_seconds=None if forever else idle,
        )
    return run


def _read(
    stream: BrokerStream,
    database_url: str,
    settings: Settings,
    open_source: OpenSource,
    deadline: float,
    run_id: str | None,
) -> MessagesRead:
    source = open_source(stream_location(settings, stream))
    try:
        return read_broker_messages(
            source, database_url, stream, settings.survey, attempt_limits=settings.attempts, run_id=run_id,
            deadline=deadline,
        )  # fmt: skip
    finally:
        source.close()
