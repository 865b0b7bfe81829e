"""The messages of a filter: counts by sink and state, and the newest with their receipts."""

from __future__ import annotations

from typing import Any, Final

import psycopg
from psycopg.rows import dict_row

Connection = psycopg.Connection[Any]

_NEWEST: Final = (
    "SELECT deliveryid, sinkid, kind, target, trigger, diaobjectid, night, state, attempts, deliveries.created_at,"
    " deliveries.finished_at, deliveries.failure, receipt FROM deliveries JOIN filter_sinks USING (sinkid)"
    " WHERE deliveries.filterid = %(filterid)s AND (%(state)s::text IS NULL OR state = %(state)s)"
    " ORDER BY deliveryid DESC LIMIT %(limit)s"
)


def counts(connection: Connection, filterid: int) -> dict[int, dict[str, int]]:
    """Messages of each sink of a filter by state: pending, sending, delivered, dead, over_quota, dismissed."""
    found: dict[int, dict[str, int]] = {}
    for sinkid, state, number in connection.execute(
        "SELECT sinkid, state, count(*) FROM deliveries WHERE filterid = %s GROUP BY 1, 2", (filterid,)
    ):
        found.setdefault(sinkid, {})[state] = number
    return found


def newest(connection: Connection, filterid: int, *, state: str | None = None, limit: int = 50) -> list[dict[str, Any]]:
    """The newest messages of a filter, in one state or all, with their sink, receipt and failure."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_NEWEST, {"filterid": filterid, "state": state, "limit": limit}).fetchall()


def of_filter(connection: Connection, filterid: int, numbers: list[int]) -> list[int]:
    """The given messages that belong to a filter."""
    rows = connection.execute(
        "SELECT deliveryid FROM deliveries WHERE filterid = %s AND deliveryid = ANY(%s) ORDER BY 1", (filterid, numbers)
    )
    return [row[0] for row in rows]
