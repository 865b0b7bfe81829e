"""Which events have cones in moving lists, and which notices of an event were received. Read-only."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.rows import dict_row

_MATCHED = (
    "SELECT stream, event, name, notice_type AS kind, trigger_tai, mjd_until, ra, decl, radius,"
    " (SELECT count(*) FROM watchlist_hits AS hit WHERE hit.cone_id = event.cone_id) AS hits, ended, url"
    " FROM notice_events AS event WHERE (%(stream)s::text IS NULL OR lower(stream) = lower(%(stream)s))"
    " AND (%(ended)s OR revision_to IS NULL) ORDER BY trigger_tai DESC, cone_id DESC LIMIT %(limit)s"
)
_RECEIVED = (
    "SELECT stream, event, name, kind, issued_at, number, trigger_time, remark, topic, received_at FROM event_notices"
    " WHERE event = %(event)s ORDER BY issued_at NULLS FIRST, number, noticeid"
)


def events(
    connection: psycopg.Connection[Any], *, stream: str | None = None, ended: bool = False, limit: int = 50
) -> list[dict[str, Any]]:
    """Events that have a cone, newest first, with the number of objects inside.

    Parameters
    ----------
    connection : psycopg.Connection
        Any.
    stream : str, optional
        Only those of this moving list; upper and lower case are the same.
    ended : bool
        Also cones that are no longer matched; `ended` says why.
    limit : int
        How many.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_MATCHED, {"stream": stream, "ended": ended, "limit": limit}).fetchall()


def received(connection: psycopg.Connection[Any], event: str) -> list[dict[str, Any]]:
    """The notices of an event that were received, oldest first; `remark` says why a notice makes no cone."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_RECEIVED, {"event": event}).fetchall()
