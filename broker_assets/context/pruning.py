"""Deletes associations that nothing refers to.

An association is stored once for each position of an object and what was found there. When facts are computed again
after a catalogue has changed, they refer to new associations; the old ones stay behind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg

from broker_assets.provenance.revisions import alone

CHUNK = 5_000
"""Associations deleted in one transaction, for which batches of the stream wait."""
PATIENCE = 30.0
"""Seconds that each transaction waits for a moment without batches."""

_UNUSED = (
    " NOT EXISTS (SELECT FROM context_matches AS fact WHERE fact.diaobjectid = one.diaobjectid"
    " AND fact.associationid = one.associationid)"
    " AND NOT EXISTS (SELECT FROM objects AS object WHERE object.diaobjectid = one.diaobjectid"
    " AND object.associationid = one.associationid)"
)


@dataclass(frozen=True)
class Pruned:
    """What a pruning did."""

    deleted: int
    """Associations that were deleted."""
    left: int
    """Unreferenced associations that stay until the next time, since batches did not pause."""


def prune_associations(
    connection: psycopg.Connection[Any], *, chunk: int = CHUNK, patience: float = PATIENCE
) -> Pruned:
    """Delete the associations that neither a fact nor an object refers to.

    Parameters
    ----------
    connection : psycopg.Connection
        In autocommit mode.
    chunk : int
        Associations deleted in one transaction.
    patience : float
        Seconds that each transaction waits for a moment without batches.

    Notes
    -----
    A batch that finds an association stored does not store it again, and refers to it when it commits. So nothing is
    deleted while a batch runs (`provenance.revisions.alone`), and references are checked again under that lock.
    """
    found = connection.execute(
        f"SELECT diaobjectid, associationid FROM associations AS one WHERE{_UNUSED} ORDER BY 1, 2"  # noqa: S608
    ).fetchall()
    deleted = 0
    for begin in range(0, len(found), chunk):
        part = found[begin : begin + chunk]
        with connection.transaction():
            if not alone(connection, seconds=patience):
                return Pruned(deleted, len(found) - begin)
            deleted += connection.execute(
                "DELETE FROM associations AS one USING unnest(%s::bigint[], %s::bigint[])"  # noqa: S608
                " AS unused (diaobjectid, associationid) WHERE one.diaobjectid = unused.diaobjectid"
                f" AND one.associationid = unused.associationid AND{_UNUSED}",
                ([row[0] for row in part], [row[1] for row in part]),
            ).rowcount
    return Pruned(deleted, 0)
