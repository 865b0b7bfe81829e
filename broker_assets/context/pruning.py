"""Deletes associations that nothing refers to.

An association is stored once for each position of an object and what was found there. Facts that are computed again,
after a catalogue has changed, refer to others; those of before stay behind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg

from broker_assets.provenance.revisions import alone

CHUNK = 5_000
"""Associations deleted in one transaction: batches of the stream wait for it."""
PATIENCE = 30.0
"""Seconds in which a moment without batches is looked for, for each transaction."""

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
    """Associations that nothing refers to and that stay until the next time, since batches did not pause."""


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
        Seconds in which a moment without batches is looked for, for each.

    Notes
    -----
    A batch that finds an association stored does not store it again, and refers to it when it commits. So nothing is
    deleted while a batch is under way (`provenance.revisions.alone`), and under that lock it is looked again.
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
