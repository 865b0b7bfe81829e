"""Finds the message that makes a batch fail, by dividing batches until it is alone.

This module decides how to divide batches and which messages to quarantine; `drain` reads the messages again. A batch
that failed with an exception is halved. Where runs died without an exception, messages are processed one at a time
(`accounting.attempts`).
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping

from broker_assets.accounting.attempts import Suspect
from broker_assets.packets.limits import BatchTooLarge
from broker_assets.stream.decode import Reason
from broker_assets.stream.errors import BatchError, DrainFailedError, may_lie_in_a_message

logger = logging.getLogger(__name__)

DOUBTFUL_IN_A_ROW = 20
"""After this many consecutive messages have failed on their own, others are tried."""

REGROWTH = 1 / 8
"""A batch that was too large once unpacked makes the next ones smaller; each that passes makes them larger by this
fraction."""


class Isolation:
    """Size of the batches of a run, and the messages that must not be decoded.

    Parameters
    ----------
    batch_max : int
        Maximum number of messages of a batch while nothing fails.
    """

    def __init__(self, batch_max: int) -> None:
        self._limit = batch_max
        self._full = batch_max  # the same as `_limit`, unless messages were too large once unpacked
        self._halved = batch_max
        # By partition, the offset before which messages belong to a failed batch, or are processed one at a time.
        self._suspects: dict[int, int] = {}
        self._alone: dict[int, int] = {}
        self._in_a_row = 0
        self._doubtful = DOUBTFUL_IN_A_ROW
        self.condemned: dict[tuple[int, int], Reason] = {}
        """Messages to quarantine without decoding, by partition and offset."""

    @property
    def batch_max(self) -> int:
        """Maximum number of messages of the next batch."""
        if self._alone:
            return 1
        return min(self._full, self._halved) if self._suspects else self._full

    @property
    def searching(self) -> bool:
        """Whether a failing message is being searched for, so that the next batch may fail."""
        return bool(self._suspects or self._alone)

    @property
    def doubtful(self) -> bool:
        """Whether so many messages have failed that the code may be at fault."""
        return self._in_a_row >= self._doubtful

    def trust(self) -> None:
        """Note that other messages pass, so the messages are at fault. The next doubt arises after twice as many."""
        self._in_a_row = 0
        self._doubtful *= 2

    def add(self, suspects: Mapping[int, Suspect]) -> None:
        """Take over the suspects that earlier runs left when they died."""
        for partition, suspect in suspects.items():
            logger.warning(
                "runs died at partition %d; its messages before offset %d go one at a time", partition, suspect.until
            )
            self._alone[partition] = suspect.until
            for offset in suspect.condemned:
                self.condemned[partition, offset] = Reason(suspect.reason(offset))

    def narrow(self, error: BatchError) -> None:
        """Make batches smaller after a failure, or condemn the message that failed on its own.

        Raises
        ------
        DrainFailedError
            If the failure is not caused by a message.
        """
        cause = error.__cause__ or error
        if isinstance(cause, BatchTooLarge) and len(error.messages) > 1:
            logger.info("%s: %s", error, cause)
            self._full = min(cause.messages, len(error.messages) - 1)
            return
        # Half a batch needs less memory; a single message that needs too much does not stop the stream either.
        if not may_lie_in_a_message(cause) and not isinstance(cause, MemoryError):
            raise DrainFailedError(
                f"{error} failed, but not because of their content: {type(cause).__name__}: {cause}"
            ) from cause
        if len(error.messages) > 1:
            logger.warning("%s failed and will be halved: %s: %s", error, type(cause).__name__, cause)
            for message in error.messages:
                self._suspects[message.partition] = max(message.offset + 1, self._suspects.get(message.partition, 0))
            self._halved = len(error.messages) // 2
            return
        message = error.messages[0]
        place = (message.partition, message.offset)
        if place in self.condemned:
            raise DrainFailedError(f"{error} cannot even be quarantined: {type(cause).__name__}: {cause}") from cause
        self._in_a_row += 1
        self.condemned[place] = Reason(f"{type(cause).__name__}: {cause}", "".join(traceback.format_exception(cause)))

    def passed(self, ranges: Mapping[int, tuple[int, int]]) -> None:
        """Return to full batches once all suspects have been passed.

        Parameters
        ----------
        ranges : mapping of int to (int, int)
            Offsets that were committed, by partition.
        """
        behind = {place for place in self.condemned if place[0] in ranges and place[1] < ranges[place[0]][1]}
        if sum(end - first for first, end in ranges.values()) > len(behind):
            self._in_a_row, self._doubtful = 0, DOUBTFUL_IN_A_ROW
            self._halved *= 2  # not after condemned messages only: their neighbours may be similar
        for place in behind:
            del self.condemned[place]
        for partition, (_, end) in ranges.items():
            for ahead in (self._suspects, self._alone):
                if ahead.get(partition, end + 1) <= end:
                    del ahead[partition]
        if not self._suspects:
            self._halved = self._limit
        self._full = min(self._limit, self._full + max(1, int(self._full * REGROWTH)))
