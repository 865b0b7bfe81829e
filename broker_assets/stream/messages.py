"""What the stream needs of a message broker: messages from known positions, and nothing else.

`resources.kafka` implements `MessageSource` over confluent-kafka; tests implement it over a list. There is no group
membership here, no commit and no rebalance: the position of a stream lives in our database, in the same transaction
as the rows, and the source is told where to begin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

LATE_FETCH_SECONDS = 10.0
"""A stream whose end lies ahead gets so much longer before it counts as idle: the fetch of a busy broker is late.
Not for ever: transaction markers hold offsets that no message ever fills."""


class Message(NamedTuple):
    """One message as received."""

    partition: int
    """Kafka partition."""
    offset: int
    """Offset in the partition."""
    timestamp_ms: int
    """Unix time at which the broker or the producer stamped it, milliseconds UTC; -1 where it has none."""
    key: bytes | None
    """Key as received."""
    value: bytes
    """The bytes of the message; a tombstone (null value) arrives as empty bytes and goes to quarantine."""


@dataclass(frozen=True)
class StreamEnds:
    """Where a topic ends, as seen at one moment."""

    topic: str
    ends: dict[int, int]
    """Offset after the last message, per partition."""
    beginnings: dict[int, int]
    """First offset kept, for partitions that were never read."""

    def lag(self, positions: Mapping[int, int]) -> dict[int, int]:
        """Messages between the committed positions and the ends; a partition without a position counts from its
        beginning.

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
    """The source could not give messages."""


class SourceUnavailableError(SourceError):
    """The broker is away or does not answer in time; trying again later may help."""


class SourceRefusedError(SourceError):
    """The broker says no (unknown topic or partition, authentication, authorisation); trying again does not help."""


class TopicAbsentError(SourceRefusedError):
    """The broker does not have the topic, or does not show it to our user."""


class OffsetOutOfRangeError(SourceError):
    """The asked offset does not exist any more (retention) or not yet (the topic was made anew)."""

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
        """Read these partitions from these offsets on, and no others; replaces any earlier assignment.

        Offsets are absolute (never "beginning" or "end"); the implementation must not move to another offset on its
        own: with librdkafka `auto.offset.reset=error`.
        """

    def consume(self, max_messages: int, timeout: float) -> Sequence[Message]:
        """Messages in order of offset within each partition, as soon as `max_messages` are there or `timeout` is over.

        Parameters
        ----------
        max_messages : int
            At most so many, at least 1.
        timeout : float
            Seconds; returns what there is, possibly nothing, when they are over.

        Raises
        ------
        OffsetOutOfRangeError
            When an assigned position is outside what the broker keeps. Messages already taken in the same call must
            not be lost: the implementation returns them first and raises at the next call.
        """

    def beginning_offsets(self) -> dict[int, int]:
        """First offset that the broker still keeps, per assigned partition."""

    def end_offsets(self) -> dict[int, int]:
        """Offset after the last message, per assigned partition.

        From the high watermark of the last fetch where there was one, else asked of the broker (Tansu answers that
        question wrongly, its fetches rightly).
        """

    def partitions(self) -> list[int]:
        """Numbers of all partitions of the topic, ascending."""

    def close(self) -> None:
        """Leave the broker; a closed source raises `SourceRefusedError` when used. Closing twice is harmless."""
