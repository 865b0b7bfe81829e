"""Work that is done by one transaction at a time, whatever the process."""

from __future__ import annotations

from typing import Any

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
