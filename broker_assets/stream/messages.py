"""What the stream needs from a message broker: messages from known positions, and nothing else.

`resources.kafka` implements `MessageSource` with confluent-kafka; tests implement it with a list. There is no group
membership, no commit and no rebalancing: the position of a stream is stored in our database, in the same transaction
as the rows, and passed to the source.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

LATE_FETCH_SECONDS = 10.0
"""Additional time before a stream with waiting messages counts as idle, since a busy broker answers late.
Not unlimited: transaction markers occupy offsets without a message."""


class Message(NamedTuple):
    """One message as received."""

    partition: int
    """Kafka partition."""
    offset: int
    """Offset in the partition."""
    timestamp_ms: int
    """Timestamp of the broker or the producer, Unix time, milliseconds UTC; -1 if it has none."""
    key: bytes | None
    """Key as received."""
    value: bytes
    """The bytes of the message; a tombstone (null value) arrives as empty bytes and is quarantined."""

    @property
    def time(self) -> datetime.datetime | None:
        """The timestamp; None if it has none, or one beyond any calendar, since producers may write anything."""
        try:
            moment = datetime.datetime.fromtimestamp(self.timestamp_ms / 1000, datetime.UTC)
        except (ValueError, OverflowError, OSError):
            return None
        return moment if self.timestamp_ms >= 0 else None


@dataclass(frozen=True)
class StreamEnds:
    """The end of a topic at one moment."""

    topic: str
    ends: dict[int, int]
    """Offset after the last message, per partition."""
    beginnings: dict[int, int]
    """First offset kept, for partitions that were never read."""

    def lag(self, positions: Mapping[int, int]) -> dict[int, int]:
        """Messages from the committed positions to the ends; a partition without a position counts from its beginning.

        Examples
        --------
        >>> StreamEnds("t", {0: 12, 1: 5}, {0: 0, 1: 2}).lag({0: 10})
        {0: 2, 1: 3}
        """
        return {
            partition: max(0, end - positions.get(partition, self.beginnings.get(partition, 0)))
            for partition, end in sorted(self.ends.items())
        }


class SourceError(Exception):
    """The source could not provide messages."""


class SourceUnavailableError(SourceError):
    """The broker is unavailable or does not answer in time; retrying later may help."""


class SourceRefusedError(SourceError):
    """The broker refuses (unknown topic or partition, authentication, authorisation); retrying does not help."""


class TopicAbsentError(SourceRefusedError):
    """The broker does not have the topic, or does not show it to our user."""


class OffsetOutOfRangeError(SourceError):
    """The requested offset no longer exists (retention) or does not exist yet (the topic was recreated)."""

    def __init__(self, partition: int, offset: int) -> None:
        super().__init__(f"partition {partition} has no offset {offset}")
        self.partition = partition
        self.offset = offset


@runtime_checkable
class MessageSource(Protocol):
    """Messages of one topic, read from explicit positions.

    Every method may raise `SourceUnavailableError` or `SourceRefusedError`. One thread uses a source at a time, not
    necessarily always the same one.
    """

    def assign(self, positions: Mapping[int, int]) -> None:
        """Read exactly these partitions, from these offsets on; replaces any earlier assignment.

        Offsets are absolute (never "beginning" or "end"); the implementation must not move to another offset on its
        own: with librdkafka `auto.offset.reset=error`.
        """

    def consume(self, max_messages: int, timeout: float) -> Sequence[Message]:
        """Messages in offset order within each partition, once `max_messages` have arrived or `timeout` has passed.

        Parameters
        ----------
        max_messages : int
            Maximum number of messages, at least 1.
        timeout : float
            Seconds after which to return what has arrived, possibly nothing.

        Raises
        ------
        OffsetOutOfRangeError
            If an assigned position is outside what the broker keeps. Messages already received in the same call must
            not be lost: the implementation returns them first and raises at the next call.
        """

    def beginning_offsets(self) -> dict[int, int]:
        """First offset that the broker still keeps, per assigned partition."""

    def end_offsets(self) -> dict[int, int]:
        """Offset after the last message, per assigned partition.

        From the high watermark of the last fetch, if there was one, else queried from the broker (Tansu answers that
        query incorrectly, but its fetches correctly).
        """

    def partitions(self) -> list[int]:
        """Numbers of all partitions of the topic, ascending."""

    def close(self) -> None:
        """Disconnect; a closed source raises `SourceRefusedError` when used. Closing twice is harmless."""
