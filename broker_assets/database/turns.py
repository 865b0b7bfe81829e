"""Work that only one transaction, or one session, does at a time, across all processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, LiteralString

import psycopg


def in_turn(connection: psycopg.Connection[Any], name: str) -> None:
    """Wait until no other transaction has the turn of this name, and take it until the end of this one.

    Parameters
    ----------
    connection : psycopg.Connection
        In a transaction.
    name : str
        Name of the work; names are compared by a 64-bit hash.
    """
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (name,))


def turn_is_free(connection: psycopg.Connection[Any], name: str) -> bool:
    """Take the turn of a name until the end of this transaction, unless another transaction or session has it.

    Parameters
    ----------
    connection : psycopg.Connection
        In a transaction.
    name : str
        As for `in_turn`.
    """
    return _have(connection, "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", name)


@contextmanager
def session_turn(connection: psycopg.Connection[Any], name: str) -> Iterator[bool]:
    """Take the turn of a name for several transactions of a session; yields whether it was free.

    Parameters
    ----------
    connection : psycopg.Connection
        When it closes, the turn ends in any case.
    name : str
        As for `in_turn`.
    """
    held = _have(connection, "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", name)
    try:
        yield held
    finally:
        if held and not connection.closed:
            # The server takes a moment to notice a closed connection; the next session must not find the turn taken.
            with suppress(psycopg.Error):
                connection.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", (name,))


def _have(connection: psycopg.Connection[Any], query: LiteralString, name: str) -> bool:
    row = connection.execute(query, (name,)).fetchone()
    return row is not None and bool(row[0])
