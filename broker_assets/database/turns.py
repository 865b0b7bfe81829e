"""Work that is done by one transaction, or one session, at a time, whatever the process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, LiteralString

import psycopg


def in_turn(connection: psycopg.Connection[Any], name: str) -> None:
    """Wait until no other transaction has a turn of this name, and have it until the end of this one.

    Parameters
    ----------
    connection : psycopg.Connection
        In a transaction.
    name : str
        What is done in turn; names are compared by a hash of 64 bits.
    """
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (name,))


def turn_is_free(connection: psycopg.Connection[Any], name: str) -> bool:
    """Have the turn of a name until the end of this transaction, unless another transaction or session has it.

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
    """Have the turn of a name for several transactions of a session; gives whether it was free.

    Parameters
    ----------
    connection : psycopg.Connection
        Its end is the end of the turn, whatever happens.
    name : str
        As for `in_turn`.
    """
    held = _have(connection, "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", name)
    try:
        yield held
    finally:
        if held and not connection.closed:
            # The server takes a moment to notice a closed connection; the next one must not find the turn taken.
            with suppress(psycopg.Error):
                connection.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", (name,))


def _have(connection: psycopg.Connection[Any], query: LiteralString, name: str) -> bool:
    row = connection.execute(query, (name,)).fetchone()
    return row is not None and bool(row[0])
