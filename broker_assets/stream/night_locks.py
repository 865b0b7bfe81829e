"""Locks for writing rows of a night: many stream batches concurrently, or one reprocessing exclusively."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import psycopg

LOCK_SPACE = 0x6E696768
"""Mixed into the keys of the advisory locks of nights."""


def share_nights(connection: psycopg.Connection[Any], nights: Iterable[np.datetime64]) -> None:
    """Exclude reprocessing of some nights until the transaction ends; waits for an active one.

    A night that is being replaced completely must not get rows meanwhile: they would be neither deleted nor counted.
    """
    # One statement after the other in the order of the nights, so that two batches never deadlock.
    for key in sorted({str(night) for night in nights}):
        connection.execute("SELECT pg_advisory_xact_lock_shared(hashtextextended(%s, %s))", (key, LOCK_SPACE))


def own_night(connection: psycopg.Connection[Any], night: str) -> None:
    """Exclude all other writers of a night until the transaction ends; waits for active ones."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, %s))", (night, LOCK_SPACE))


def own_retries(connection: psycopg.Connection[Any]) -> None:
    """Exclude other nights that are rebuilt once more after a deadlock, until the transaction ends.

    Call before `own_night`: who waits here must hold no other lock.
    """
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('retries', %s))", (LOCK_SPACE,))
