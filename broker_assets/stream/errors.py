"""What can go wrong in a drain run, and whether trying again helps."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from broker_assets.stream.messages import Message, SourceError, SourceRefusedError


class DrainFailedError(Exception):
    """The run gave up; nothing is lost, the next run goes on from the committed positions."""


class StreamResetError(DrainFailedError):
    """A topic ends before our position: it was made anew, or is not the one we read before."""


class BatchError(Exception):
    """Work on a batch failed; the cause is the exception it failed with.

    `messages` says which; their payloads may have been dropped.
    """

    def __init__(self, messages: Sequence[Message]) -> None:
        first = messages[0]
        super().__init__(f"{len(messages)} messages from partition {first.partition} offset {first.offset}")
        self.messages = messages


def is_transient(error: BaseException) -> bool:
    """Whether an error comes from the surroundings, so that the same work may succeed later.

    A lost or refused database connection, deadlocks and full disks are all `psycopg.OperationalError`; a schema
    registry or database that is away is a `ConnectionError`, and so an `OSError` like a full archive store.

    Examples
    --------
    >>> is_transient(ConnectionResetError()), is_transient(ValueError("a packet"))
    (True, False)
    """
    if isinstance(error, SourceError):
        return not isinstance(error, SourceRefusedError)
    return isinstance(error, OSError | psycopg.OperationalError | psycopg.InterfaceError)


def may_lie_in_a_message(error: BaseException) -> bool:
    """Whether an error may follow a message, so that looking for the one that causes it makes sense.

    Of what the database objects to, only values are of that kind; a missing table or column is the same for all.

    Examples
    --------
    >>> may_lie_in_a_message(ValueError()), may_lie_in_a_message(psycopg.errors.UndefinedTable())
    (True, False)
    """
    if isinstance(error, psycopg.Error):
        return isinstance(error, psycopg.DataError | psycopg.IntegrityError)
    return isinstance(error, Exception) and not isinstance(error, SourceError | MemoryError)
