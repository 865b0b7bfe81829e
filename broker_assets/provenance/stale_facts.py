"""Facts of single alerts that must be computed again.

A change that only affects some objects, such as one of a catalogue, does not make whole nights stale: the facts that it
affects are marked here until their night, or they alone, are computed again. `versions.stale` lists the nights that
have some.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

Alerts = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Object and source of each."""

ALL = 0
"""Object and source of a mark that holds for all alerts of a night."""


def mark_nights(connection: psycopg.Connection[Any], assets: Sequence[str], nights: Sequence[str], reason: str) -> int:
    """Mark all facts of some nights, of assets that have facts there.

    Parameters
    ----------
    connection : psycopg.Connection
        In a transaction.
    assets, nights : sequence of str
        Assets of facts, and keys `YYYY-MM-DD`.
    reason : str
        What has changed; the same text for all marks with the same reason.

    Returns
    -------
    int
        New marks.
    """
    return connection.execute(
        "INSERT INTO stale_facts (diaobjectid, diasourceid, night, asset, reason)"
        " SELECT DISTINCT %s::bigint, %s::bigint, night, asset, %s FROM ingest_batch_facts WHERE replaced_by IS NULL"
        " AND asset = ANY(%s) AND night = ANY(%s::date[]) ORDER BY night, asset ON CONFLICT DO NOTHING",
        (ALL, ALL, reason, list(assets), list(nights)),
    ).rowcount


def marked(connection: psycopg.Connection[Any], assets: Collection[str], night: str) -> Alerts | None:
    """Alerts of a night for which a fact of some assets is marked: object and source of each; None if all are.

    Parameters
    ----------
    connection : psycopg.Connection
        Any.
    assets : collection of str
        Assets of facts.
    night : str
        Key `YYYY-MM-DD`.
    """
    rows = connection.execute(
        "SELECT DISTINCT diaobjectid, diasourceid FROM stale_facts WHERE night = %s::date AND asset = ANY(%s)"
        " ORDER BY 1, 2",
        (night, sorted(assets)),
    ).fetchall()
    found = np.array(rows, np.int64).reshape(-1, 2)
    return None if (found == ALL).any() else (found[:, 0], found[:, 1])


def clear(connection: psycopg.Connection[Any], assets: Collection[str], night: str) -> int:
    """Remove the marks of a night whose facts were computed again, in the same transaction; return their number."""
    return connection.execute(
        "DELETE FROM stale_facts WHERE night = %s::date AND asset = ANY(%s)", (night, sorted(assets))
    ).rowcount
