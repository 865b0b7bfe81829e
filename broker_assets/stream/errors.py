"""Errors of a drain run, and whether retrying helps."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from broker_assets.stream.messages import Message, SourceError, SourceRefusedError


class DrainFailedError(Exception):
    """The run gave up; nothing is lost, the next run continues from the committed positions."""


class StreamResetError(DrainFailedError):
    """A topic ends before our position: it was recreated, or is not the one read before."""


class BatchError(Exception):
    """Processing a batch failed; the cause is the original exception.

    `messages` are those of the batch; their payloads may have been dropped.
    """

    def __init__(self, messages: Sequence[Message]) -> None:
        first = messages[0]
        super().__init__(f"{len(messages)} messages from partition {first.partition} offset {first.offset}")
        self.messages = messages


def is_transient(error: BaseException) -> bool:
    """Whether an error comes from an external system, so that the same work may succeed later.

    A lost or refused database connection, deadlocks and full disks are all `psycopg.OperationalError`; an unavailable
    schema registry or database is a `ConnectionError`, and therefore an `OSError`, like a full archive store.

    Examples
    --------
    >>> is_transient(ConnectionResetError()), is_transient(ValueError("a packet"))
    (True, False)
    """
    if isinstance(error, SourceError):
        return not isinstance(error, SourceRefusedError)
    return isinstance(error, OSError | psycopg.OperationalError | psycopg.InterfaceError)


def may_lie_in_a_message(error: BaseException) -> bool:
    """Whether an error may depend on a message, so that it makes sense to search for the one that causes it.

    Of the errors of the database, only those about values do; a missing table or column is the same for all messages.

    Examples
    --------
    >>> may_lie_in_a_message(ValueError()), may_lie_in_a_message(psycopg.errors.UndefinedTable())
    (True, False)
    """
    if isinstance(error, psycopg.Error):
        return isinstance(error, psycopg.DataError | psycopg.IntegrityError)
    return isinstance(error, Exception) and not isinstance(error, SourceError | MemoryError)
