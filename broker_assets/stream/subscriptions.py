"""Presents a subscription, in which unacknowledged messages are sent again, as a source with positions.

Google Pub/Sub leases messages in no particular order and has no offsets; a message is identified by an identifier from
the service. Here each new message gets the next offset of its stream, and its identifier is stored in the transaction
of its rows; only then is it acknowledged. A message whose acknowledgement was lost is recognised when it is sent again,
acknowledged and dropped. The protocol of the service is in `resources.pubsub`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol, runtime_checkable

import psycopg

from broker_assets.stream.messages import Message, SourceError

log = logging.getLogger(__name__)

PARTITION: Final = 0
"""Partition that such messages have in our tables."""
KEPT_DAYS: Final = 40
"""Days for which identifiers are kept; the service keeps a message for at most 31 days."""


class Delivery(NamedTuple):
    """A message as the service sent it."""

    acknowledgement: str
    """Identifies this delivery; it is sent back to acknowledge it."""
    identity: str
    """Identifier of the message, unique in its topic."""
    timestamp_ms: int
    """When it was published, Unix time, milliseconds UTC; -1 if that is not known."""
    attributes: bytes | None
    """Attributes as a JSON object; None if it has none."""
    value: bytes
    """Its bytes."""


@runtime_checkable
class Subscription(Protocol):
    """A subscription; every method but `close` may raise `SourceUnavailableError` or `SourceRefusedError`."""

    def pull(self, most: int) -> Sequence[Delivery]:
        """At most `most` messages; empty if none arrives for a while."""

    def acknowledge(self, acknowledgements: Sequence[str]) -> None:
        """Acknowledge deliveries, so that the service does not repeat them."""

    def close(self) -> None:
        """Disconnect."""


class NumberedDeliveries:
    """A subscription as a `MessageSource` with one partition.

    Parameters
    ----------
    subscription : Subscription
        Subscription to read; not closed here.
    connection : psycopg.Connection
        Connection of the run, which holds the lock of the partition while it consumes.
    stream : str
        Name of the stream.
    """

    def __init__(self, subscription: Subscription, connection: psycopg.Connection[Any], stream: str) -> None:
        self._subscription = subscription
        self._connection = connection
        self._stream = stream
        self._next = 0
        self._leased: dict[int, Delivery] = {}
        self._pruned = False

    def partitions(self) -> list[int]:
        """The one partition."""
        return [PARTITION]

    def assign(self, positions: Mapping[int, int]) -> None:
        """Number new messages from this position on."""
        self._next = positions[PARTITION]
        self._leased.clear()

    def beginning_offsets(self) -> dict[int, int]:
        """Offset of the next message of a stream without a position: offsets are never used twice."""
        row = self._connection.execute(
            'SELECT coalesce(max("offset") + 1, 0) FROM subscription_message WHERE stream = %s', (self._stream,)
        ).fetchone()
        return {PARTITION: int(row[0]) if row is not None else 0}

    def end_offsets(self) -> dict[int, int]:
        """Offset of the next message: the service does not say how many wait."""
        return {PARTITION: self._next}

    def consume(self, max_messages: int, timeout: float) -> list[Message]:
        """New messages; those that were stored before are acknowledged and left out.

        Parameters
        ----------
        max_messages : int
            Maximum number of messages.
        timeout : float
            Not used: the subscription has a time limit of its own.
        """
        deliveries = self._subscription.pull(max_messages)
        if not deliveries:
            return []
        known = self._known([one.identity for one in deliveries])
        fresh: dict[str, Delivery] = {}
        again: list[str] = []
        for one in deliveries:
            if one.identity in known:
                again.append(one.acknowledgement)
            else:
                # Of two deliveries of a message in one answer, only the later one can be acknowledged.
                fresh[one.identity] = one
        if again:
            log.info("%s: %d messages came again that are stored", self._stream, len(again))
            self._settle(again)
        messages = []
        for one in fresh.values():
            self._leased[self._next] = one
            messages.append(Message(PARTITION, self._next, one.timestamp_ms, one.attributes, one.value))
            self._next += 1
        return messages

    def record(self, messages: Sequence[Message], ingestid: int) -> None:
        """Store the identifiers of messages, in the transaction that stores their content."""
        if not self._pruned:
            self._prune()
            self._pruned = True
        with self._connection.cursor() as cursor:
            cursor.execute(
                'INSERT INTO subscription_message (stream, messageid, "offset", ingestid)'
                " SELECT %s, unnest(%s::text[]), unnest(%s::bigint[]), %s",
                (
                    self._stream, [self._leased[message.offset].identity for message in messages],
                    [message.offset for message in messages], ingestid,
                ),
            )  # fmt: skip

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Acknowledge stored messages; if this fails, they are sent again and recognised."""
        self._settle([self._leased.pop(message.offset).acknowledgement for message in messages])

    def close(self) -> None:
        """Do nothing: the opener of the subscription closes it."""

    def _known(self, identities: list[str]) -> set[str]:
        rows = self._connection.execute(
            "SELECT messageid FROM subscription_message WHERE stream = %s AND messageid = ANY(%s)",
            (self._stream, identities),
        )
        return {str(row[0]) for row in rows}

    def _settle(self, acknowledgements: Sequence[str]) -> None:
        try:
            self._subscription.acknowledge(acknowledgements)
        except SourceError as error:
            log.warning("%s: %d messages will come again: %s", self._stream, len(acknowledgements), error)

    def _prune(self) -> None:
        """Forget messages that the service can no longer send, except the last one, which marks the offset."""
        self._connection.execute(
            "DELETE FROM subscription_message WHERE stream = %s AND received_at < now() - make_interval(days => %s)"
            ' AND "offset" < (SELECT max("offset") FROM subscription_message WHERE stream = %s)',
            (self._stream, KEPT_DAYS, self._stream),
        )
