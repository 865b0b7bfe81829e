"""Which errors pass by themselves, and which may follow a message: errors of real servers and of packets."""

from __future__ import annotations

import weakref
from typing import Any

import psycopg
import pytest

from broker_assets.database import engine
from broker_assets.stream.errors import BatchError, is_transient, may_lie_in_a_message, release_frames
from broker_assets.stream.messages import (
    Message,
    OffsetOutOfRangeError,
    SourceRefusedError,
    SourceUnavailableError,
)


def of_postgres(database_url: str, statement: str, *parameters: Any, **options: Any) -> Exception:
    """The error that a statement raises."""
    with engine.connect(database_url, autocommit=True, **options) as connection:
        try:
            connection.execute(statement, parameters)
        except psycopg.Error as error:
            return error
    raise AssertionError(f"{statement} raises nothing")


@pytest.mark.database
@pytest.mark.parametrize(
    ("statement", "transient", "of_a_message"),
    [
        ("SELECT 70000::smallint", False, True),
        ("INSERT INTO stream_offset VALUES ('t', 0, NULL)", False, True),
        ("SELECT * FROM no_such_table", False, False),
        ("SELECT no_such_column FROM stream_offset", False, False),
        ("SELECT pg_terminate_backend(pg_backend_pid())", True, False),
        ("SELECT pg_sleep(5)", True, False),
    ],
)
def test_errors_of_the_database(database_url: str, statement: str, transient: bool, of_a_message: bool) -> None:
    error = of_postgres(database_url, statement, statement_timeout=0.2)
    assert (is_transient(error), may_lie_in_a_message(error)) == (transient, of_a_message), type(error)


@pytest.mark.parametrize(
    ("error", "transient", "of_a_message"),
    [
        (SourceUnavailableError("the broker is away"), True, False),
        (SourceRefusedError("no such topic"), False, False),
        (OffsetOutOfRangeError(0, 7), True, False),
        (ConnectionResetError(), True, True),
        (OSError(28, "No space left on device"), True, True),
        (ValueError("a packet"), False, True),
        (MemoryError(), False, False),
        (KeyboardInterrupt(), False, False),
    ],
)
def test_errors_of_broker_store_and_packets(error: BaseException, transient: bool, of_a_message: bool) -> None:
    assert (is_transient(error), may_lie_in_a_message(error)) == (transient, of_a_message)


def test_a_failed_batch_says_where_it_begins() -> None:
    messages = [Message(3, 17 + number, -1, None, b"") for number in range(2)]
    error = BatchError(messages)
    assert str(error) == "2 messages from partition 3 offset 17"
    assert error.messages == messages


class Payload:
    """Something that can be watched."""


def test_an_error_does_not_keep_the_payloads_of_its_batch() -> None:
    def decode() -> None:
        payload = Payload()
        watched.append(weakref.ref(payload))
        raise ValueError("too large")

    watched: list[weakref.ref[Payload]] = []
    kept = BatchError([Message(0, 0, -1, None, b"")])
    try:
        decode()
    except ValueError as cause:
        kept.__cause__ = cause
    assert watched[0]() is not None
    release_frames(kept)
    assert watched[0]() is None
    assert str(kept.__cause__) == "too large"
