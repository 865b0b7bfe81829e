"""Errors of a drain run, and whether retrying helps."""

from __future__ import annotations

import traceback
from collections.abc import Sequence

import psycopg

from broker_assets.sky.panics import is_panic
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


def release_frames(error: BaseException) -> None:
    """Release the objects in the frames of an error and of its causes, such as the payloads of a batch.

    The error, its frames and the futures that passed it on refer to one another: without this, a batch would stay in
    memory until the garbage collector runs.
    """
    seen: BaseException | None = error
    while seen is not None:
        traceback.clear_frames(seen.__traceback__)
        seen = seen.__cause__


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
    if isinstance(error, psycopg.Error) and _is_about_values(error):
        return False
    return isinstance(error, OSError | psycopg.OperationalError | psycopg.InterfaceError)


def may_lie_in_a_message(error: BaseException) -> bool:
    """Whether an error may depend on a message, so that it makes sense to search for the one that causes it.

    Of database errors, only those about values may; a missing table or column affects all messages alike.

    Examples
    --------
    >>> may_lie_in_a_message(ValueError()), may_lie_in_a_message(psycopg.errors.UndefinedTable())
    (True, False)
    """
    if isinstance(error, psycopg.Error):
        return _is_about_values(error)
    return isinstance(error, Exception) and not isinstance(error, SourceError | MemoryError)


def is_of_a_message(error: BaseException) -> bool:
    """Whether an error while a single message was handled is caused by that message, not by the environment.

    For handlers that touch nothing but the database. Libraries for files in memory raise `OSError` for damaged bytes,
    without the error number that the system would give, and those in Rust panic, which is not an `Exception`.

    Examples
    --------
    >>> is_of_a_message(OSError("Header missing END card.")), is_of_a_message(OSError(28, "No space left on device"))
    (True, False)
    """
    if is_panic(error):
        return True
    if isinstance(error, OSError):
        return error.errno is None and not isinstance(error, ConnectionError | TimeoutError)
    return may_lie_in_a_message(error) and not is_transient(error)


def _is_about_values(error: psycopg.Error) -> bool:
    """Whether PostgreSQL, or psycopg before it, objects to a value, not to the statement or the server's state."""
    if error.sqlstate is None:  # psycopg itself: a type or value that it cannot send
        return isinstance(error, psycopg.DataError | psycopg.ProgrammingError | psycopg.NotSupportedError)
    # Class 54: a value larger than an index entry or a row can hold; psycopg counts these as operational.
    return isinstance(error, psycopg.DataError | psycopg.IntegrityError) or error.sqlstate.startswith("54")
