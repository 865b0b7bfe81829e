"""Lag of annotations: waiting on the topics of all active annotators, for objects, and for filters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import psycopg

from broker_assets.accounting import ledger
from broker_assets.annotations import annotators, store, waiting
from broker_assets.annotations.sources import BadSource
from broker_assets.settings import Settings, StreamLocation
from broker_assets.stream.annotation_messages import AnnotationStream, annotation_streams, annotator_of
from broker_assets.stream.messages import StreamEnds
from broker_assets.stream.topic_ends import Ends, ask_ends


@dataclass
class AnnotationLag:
    """What waits."""

    lag: dict[str, int] = field(default_factory=dict)
    """Messages by name of the stream; topics that do not exist are left out."""
    positions: dict[str, dict[int, int]] = field(default_factory=dict)
    """Committed positions of every stream."""
    ends: dict[str, StreamEnds] = field(default_factory=dict)
    """End offsets from the brokers."""
    problems: dict[str, str] = field(default_factory=dict)
    """Why the lag of a stream or an annotator is unknown, by name."""
    due: bool = False
    """Whether filters have to run for annotations."""
    settled: bool = True
    """False if an annotation waits whose object has arrived, or that has waited too long."""

    @property
    def work(self) -> bool:
        """Whether there is something to do for a run."""
        return self.due or not self.settled or any(self.lag.values())


def active_streams(connection: psycopg.Connection[Any]) -> tuple[list[AnnotationStream], dict[str, str]]:
    """The streams of all active annotators in the table now, and what is wrong with annotators without streams."""
    streams: list[AnnotationStream] = []
    problems: dict[str, str] = {}
    for annotator in annotators.listing(connection, active=True):
        try:
            streams += annotation_streams(annotator)
        except BadSource as error:
            problems[annotator.topic] = str(error)
    return streams, problems


def stream_named(connection: psycopg.Connection[Any], name: str) -> AnnotationStream:
    """The stream with this name, even if its annotator is not active or no longer reads this Kafka topic.

    Raises
    ------
    LookupError
        If it is not the name of an annotator's stream.
    UnknownAnnotator
        If its annotator was removed.
    BadSource
        If the source of its annotator cannot be used.
    """
    named = annotator_of(name)
    if named is None:
        raise LookupError(f"{name} is not the stream of an annotator")
    annotator = annotators.get(connection, named[0])
    return AnnotationStream(annotator.topic, named[1], annotator.reads, annotator.version)


def stream_location(settings: Settings, stream: AnnotationStream) -> StreamLocation:
    """Location of the messages of a stream.

    Raises
    ------
    LookupError
        If the settings have no cluster with the name in the source.
    """
    return settings.annotation_location(stream.name, stream.topic, stream.source.cluster)


def look(connection: psycopg.Connection[Any], settings: Settings, ends: Ends) -> AnnotationLag:
    """Determine everything that waits.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    settings : Settings
        Settings with clusters, and the longest wait of annotations for objects.
    ends : callable
        Asks a broker; called from several threads.
    """
    streams, problems = active_streams(connection)
    found = AnnotationLag(problems=problems)
    found.due = bool(store.due(connection, limit=1))
    found.settled = not waiting.ready_topics(connection) and not waiting.expired(
        connection, hours=settings.annotations.wait_hours
    )
    found.positions = {stream.name: ledger.positions(connection, stream.name) for stream in streams}

    by_name = {stream.name: stream for stream in streams}
    found.ends, problems = ask_ends(found.positions, lambda name: stream_location(settings, by_name[name]), ends)
    found.problems |= problems
    found.lag = {name: sum(one.lag(found.positions[name]).values()) for name, one in found.ends.items()}
    return found
