"""Whether the target still has the files recorded in the receipts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import psycopg
from psycopg.pq import TransactionStatus
from pydantic import BaseModel, ConfigDict

from broker_assets.publication.targets import DeliveryFailed, Target


class Loss(BaseModel):
    """A delivered file that is missing or different at the target."""

    model_config = ConfigDict(frozen=True)

    publicationid: int
    """Decision that caused the delivery."""
    name: str
    """Name at the target."""
    state: Literal["missing", "damaged", "unreadable"]
    """What is wrong."""
    detail: str = ""
    """Explanation."""


def verify(
    connection: psycopg.Connection[Any],
    target: Target,
    *,
    repair: bool = False,
    notify: Callable[[str], None] | None = None,
) -> list[Loss]:
    """Read back every file that a target should have.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection that is not within a transaction.
    target : Target
    repair : bool
        Let the next run deliver missing or damaged files again. The bytes are the same unless the ephemeris has
        changed.
    notify : function, optional
        Called with each name before it is read.

    Returns
    -------
    list of Loss
        Empty if all is well. Files replaced with an operator's approval count by their latest receipt.

    Raises
    ------
    TargetAway
        If the target does not answer.
    ValueError
        If the connection is within a transaction.
    """
    if connection.info.transaction_status != TransactionStatus.IDLE:
        raise ValueError("the connection is within a transaction; a long one would delay vacuuming")
    with connection.transaction():
        rows = connection.execute(
            "SELECT DISTINCT ON (r.name) r.name, r.sha256, r.publicationid FROM publication_receipt r"
            " JOIN publication p USING (publicationid)"
            " WHERE r.target = %s AND p.status IN ('published', 'supplement') ORDER BY r.name, r.receiptid DESC",
            (target.name,),
        ).fetchall()
    target.check()
    found = []
    for name, sha256, identifier in rows:
        if notify is not None:
            notify(name)
        try:
            there = target.sha256(name)
        except DeliveryFailed as error:
            found.append(Loss(publicationid=identifier, name=name, state="unreadable", detail=str(error)))
            continue
        if there is None:
            found.append(Loss(publicationid=identifier, name=name, state="missing"))
        elif there != sha256:
            detail = f"SHA-256 {there}, delivered with {sha256}"
            found.append(Loss(publicationid=identifier, name=name, state="damaged", detail=detail))
    if repair and found:
        with connection.transaction():
            connection.execute(
                "UPDATE publication SET status = 'error', settled = false, decided_at = now(),"
                " reason = 'lost by the target: ' || reason WHERE publicationid = ANY(%s)",
                ([loss.publicationid for loss in found],),
            )
    return found
