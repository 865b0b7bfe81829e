"""Claims of objects: the plans of facilities."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import class_row


@dataclass(frozen=True)
class Claim:
    """A plan of a facility."""

    number: int
    """Object."""
    facility: str
    made: datetime.datetime
    when: datetime.datetime | None
    """When the spectrum will be taken."""
    comment: str


def claims_of(connection: psycopg.Connection[Any], objects: Sequence[int]) -> dict[int, list[Claim]]:
    """Plans of each of some objects, the newest first; objects without plans are left out."""
    with connection.cursor(row_factory=class_row(Claim)) as cursor:
        rows = cursor.execute(
            "SELECT diaobject_id AS number, facility, created_at AS made,"
            # A dump may have infinite times, which Python has not.
            ' CASE WHEN isfinite(plantime) THEN plantime END AS "when", comment'
            " FROM elasticc2_plannedspectra WHERE diaobject_id = ANY(%s::bigint[]) ORDER BY created_at DESC, facility",
            (list(objects),),
        ).fetchall()
    found: dict[int, list[Claim]] = {}
    for claim in rows:
        found.setdefault(claim.number, []).append(claim)
    return found
