"""Who may write rows of a night: many batches of streams at once, or one reprocessing alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import psycopg

LOCK_SPACE = 0x6E696768
"""Mixed into the keys of the advisory locks of nights."""


def share_nights(connection: psycopg.Connection[Any], nights: Iterable[np.datetime64]) -> None:
    """Keep reprocessing away from some nights until the transaction ends; waits while one is at work.

    A night that is being replaced as a whole must not get rows meanwhile: they would be neither deleted nor counted.
    """
    # One statement after the other in the order of the nights: two batches never wait for each other in a circle.
    for key in sorted({str(night) for night in nights}):
        connection.execute("SELECT pg_advisory_xact_lock_shared(hashtextextended(%s, %s))", (key, LOCK_SPACE))


def own_night(connection: psycopg.Connection[Any], night: str) -> None:
    """Keep every other writer away from a night until the transaction ends; waits for those at work."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, %s))", (night, LOCK_SPACE))
