"""A run on a topic whose messages are written in batches: decides which are written together, and which alone.

The callers, `annotations` and `broker_message_batches`, write the messages. If the database refuses a batch because of
a message, the batch is halved until that message is found and quarantined. Messages at which runs have died are written
alone.
"""

from __future__ import annotations

import traceback
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from broker_assets.accounting import attempts, ledger
from broker_assets.stream.decode import Reason
from broker_assets.stream.errors import is_of_a_message
from broker_assets.stream.messages import Message
from broker_assets.stream.topic_run import TopicRun


@dataclass(kw_only=True)
class BatchRun(TopicRun, ABC):
    """A run that writes messages in batches."""

    @abstractmethod
    def write(self, messages: Sequence[Message], condemned: Reason | None) -> None:
        """Write messages, or quarantine them for a reason, in one transaction with their positions, and move these."""

    def apply(self, messages: Sequence[Message]) -> None:
        """Apply messages: those at which runs have died alone, the others together."""
        together: list[Message] = []
        for message in messages:
            suspect = self.suspects.get(message.partition)
            if suspect is None or message.offset >= suspect.until:
                together.append(message)
                continue
            self._attempt(together)
            together = []
            condemned = message.offset in suspect.condemned
            self._attempt([message], Reason(suspect.reason(message.offset)) if condemned else None)
        self._attempt(together)

    def _attempt(self, messages: Sequence[Message], condemned: Reason | None = None) -> None:
        if not messages:
            return
        if condemned is None:
            ranges = {span.partition: (span.first_offset, span.next_offset) for span in self.ranges(messages)}
            attempts.begin(self.connection, self.stream, ranges, self.attempt_id)
        try:
            self.write(messages, condemned)
        except BaseException as error:
            if condemned is not None or not is_of_a_message(error):
                raise
            if len(messages) == 1:
                self.write(messages, Reason(str(error) or type(error).__name__, traceback.format_exc()))
                return
            for half in (messages[: len(messages) // 2], messages[len(messages) // 2 :]):
                self._attempt(half)

    def ranges(self, messages: Sequence[Message]) -> list[ledger.Range]:
        """Offset ranges of each partition, from its position to the end of some messages."""
        ends: dict[int, int] = {}
        counts: Counter[int] = Counter()
        for message in messages:
            ends[message.partition] = message.offset + 1
            counts[message.partition] += 1
        return [
            ledger.Range(
                partition=partition, first_offset=self.positions[partition], next_offset=end,
                received=counts[partition],
            )
            for partition, end in sorted(ends.items())
        ]  # fmt: skip
