"""Gather messages into micro-batches bounded by number, bytes and time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from broker_assets.stream.messages import Message, MessageSource

LONGEST_WAIT_SECONDS = 0.25
"""Longest single wait inside the client, so that a stop request is seen soon."""

FIRST_SLICE_MESSAGES = 16
"""Messages asked for before any is known: with packets of 10 MB not more than 160 MB."""


@dataclass
class BatchPoller:
    """Takes batches from a source and remembers how large its messages are.

    The client hands over as many messages as are asked for and counts no bytes, so a request is sized by the largest
    message met lately: the bound on bytes is then exceeded by one message at most, whatever their sizes, as long as
    sizes do not jump within a slice.
    """

    source: MessageSource
    max_messages: int
    max_bytes: int
    seconds: float
    _largest: float = field(default=0.0, init=False)

    def poll(self, stop: Callable[[], bool]) -> list[Message]:
        """The next batch; empty when nothing arrived within the batch's time.

        Parameters
        ----------
        stop : callable
            Asked between waits; when it says True the messages gathered so far are returned at once.

        Returns
        -------
        list of Message
            In order of offset within each partition. The time runs from the first message, so that a quiet stream
            does not delay the first message of a burst, or from the call when none comes.
        """
        batch: list[Message] = []
        gathered = 0
        ends = time.monotonic() + self.seconds
        while len(batch) < self.max_messages and gathered < self.max_bytes and not stop():
            wait = ends - time.monotonic()
            if wait <= 0:
                break
            slice_ = self.source.consume(self._slice(len(batch), gathered), min(wait, LONGEST_WAIT_SECONDS))
            if not slice_:
                continue
            if not batch:
                ends = time.monotonic() + self.seconds
            sizes = [len(message.value) for message in slice_]
            gathered += sum(sizes)
            batch.extend(slice_)
            # Forgets a rare giant slowly: a single 10 MB packet must not make all later requests tiny.
            self._largest = max([*sizes, self._largest * 0.9])
        return batch

    def _slice(self, taken: int, gathered: int) -> int:
        """How many messages may be asked for without exceeding the bounds."""
        left = self.max_messages - taken
        if self._largest == 0.0:
            return min(left, FIRST_SLICE_MESSAGES)
        return max(1, min(left, int((self.max_bytes - gathered) / max(self._largest, 1.0))))
