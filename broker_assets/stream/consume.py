"""Collects messages into micro-batches limited by number, bytes and time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from broker_assets.stream.messages import Message, MessageSource

LONGEST_WAIT_SECONDS = 0.25
"""Maximum single wait inside the client, so that a stop request is noticed soon."""

FIRST_SLICE_MESSAGES = 16
"""Number of messages requested before any is known: at most 160 MB for packets of 10 MB."""


@dataclass
class BatchPoller:
    """Reads batches from a source and keeps track of the size of its messages.

    The client returns as many messages as requested and does not count bytes, so a request is sized by the largest
    recent message: the limit on bytes is then exceeded by at most one message, whatever their sizes, as long as
    sizes do not jump within a request.
    """

    source: MessageSource
    max_messages: int
    max_bytes: int
    seconds: float
    _largest: float = field(default=0.0, init=False)

    def poll(self, stop: Callable[[], bool]) -> list[Message]:
        """The next batch; empty if nothing arrived within the time of a batch.

        Parameters
        ----------
        stop : callable
            Called between waits; if it returns True, the messages collected so far are returned immediately.

        Returns
        -------
        list of Message
            In offset order within each partition. The time starts with the first message, so that a quiet stream
            does not delay the first message of a burst, or with the call if none arrives.
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
            # A rare giant is forgotten gradually: a single 10 MB packet must not make all later requests tiny.
            self._largest = max([*sizes, self._largest * 0.9])
        return batch

    def _slice(self, taken: int, gathered: int) -> int:
        """Number of messages that can be requested without exceeding the limits."""
        left = self.max_messages - taken
        if self._largest == 0.0:
            return min(left, FIRST_SLICE_MESSAGES)
        return max(1, min(left, int((self.max_bytes - gathered) / max(self._largest, 1.0))))
