"""A Kafka made of Python lists, for topics that the settings do not list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from broker_assets.settings import StreamLocation
from broker_assets.stream.messages import SourceUnavailableError, StreamEnds, TopicAbsentError


class ListedTopics:
    """Sources by Kafka topic; None is a broker that does not answer, an absent one does not exist."""

    def __init__(self, **sources: Any) -> None:
        self.sources = sources

    def source_at(self, location: StreamLocation) -> Any:
        """The topic, open again if a run has closed it."""
        self.sources[location.topic].closed = False
        return self.sources[location.topic]

    def ends_at(self, location: StreamLocation, positions: Mapping[int, int], *, timeout: float = 5.0) -> StreamEnds:
        """Where the topic ends."""
        if location.topic not in self.sources:
            raise TopicAbsentError(f"there is no topic {location.topic}")
        source = self.sources[location.topic]
        if source is None:
            raise SourceUnavailableError(f"the broker of {location.topic} does not answer")
        return StreamEnds(location.topic, {number: len(log) for number, log in source.logs.items()}, {})

    def topics_at(self, location: StreamLocation, *, timeout: float = 5.0) -> list[str]:
        """Names of the topics."""
        return sorted(self.sources)
