"""What waits in the outbox, what was given up, and what became of a message: for users and for checks."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import psycopg
from psycopg.rows import class_row, dict_row

Connection = psycopg.Connection[Any]
Refused = Literal["dead", "over_quota"]

_DUE: Final = "state IN ('pending', 'sending')"


@dataclass(frozen=True)
class Backlog:
    """The outbox at one moment."""

    waiting: int
    """Messages that have not been sent, including those of digests."""
    due: int
    """Messages whose sink is due now."""
    oldest_due: float
    """Seconds for which the oldest of the due messages has been due; 0 without any."""
    dead: int
    """Dead letters that nobody has retried or dismissed."""
    over_quota: int
    """Messages of the last two days that were not sent because of a quota."""
    failing: int
    """Sinks whose last attempt failed."""
    letters: int
    """Messages to owners that wait."""


@dataclass(frozen=True)
class SinkBacklog:
    """What waits for a sink."""

    sinkid: int
    filterid: int
    owner: str
    kind: str
    target: str
    waiting: int
    dead: int
    over_quota: int
    oldest_at: datetime.datetime | None
    due_at: datetime.datetime
    failures: int
    failure: str | None


def backlog(connection: Connection) -> Backlog:
    """The outbox now."""
    with connection.cursor(row_factory=class_row(Backlog)) as cursor:
        cursor.execute(
            f"""
            WITH waiting AS (
                SELECT sinkid, count(*) AS number, min(created_at) AS oldest
                FROM deliveries WHERE {_DUE} GROUP BY sinkid
            ), late AS (
                -- A digest or a sink that is left alone is due later than its messages came in; a digest that was due
                -- when nothing had come in has not been due since then.
                SELECT number, extract(
                    epoch FROM now() - CASE WHEN schedule = 'now' THEN oldest ELSE greatest(due_at, oldest) END
                ) AS age,
                    due_at <= now() OR (failures > 0 AND schedule = 'now') AS due
                FROM waiting JOIN filter_sinks USING (sinkid)
            )
            SELECT
                (SELECT coalesce(sum(number), 0) FROM late)::bigint AS waiting,
                (SELECT coalesce(sum(number) FILTER (WHERE due), 0) FROM late)::bigint AS due,
                (SELECT greatest(coalesce(max(age) FILTER (WHERE due), 0), 0) FROM late)::float8 AS oldest_due,
                (SELECT count(*) FROM deliveries WHERE state = 'dead') AS dead,
                (SELECT coalesce(sum(over_quota), 0) FROM delivery_usage WHERE night >= current_date - 2)::bigint
                    AS over_quota,
                (SELECT count(*) FROM filter_sinks WHERE failures > 0 AND removed_at IS NULL) AS failing,
                (SELECT count(*) FROM owner_messages WHERE state = 'pending') AS letters
            """  # noqa: S608
        )
        found = cursor.fetchone()
    if found is None:
        raise LookupError("a SELECT without FROM gave no row")
    return found


def by_sink(connection: Connection) -> list[SinkBacklog]:
    """What waits for each sink or was refused by it, most first."""
    with connection.cursor(row_factory=class_row(SinkBacklog)) as cursor:
        cursor.execute(
            """
            SELECT sinkid, filterid, owner, kind, target, waiting, dead, over_quota, oldest_at, due_at, failures,
                failure
            FROM filter_sinks CROSS JOIN LATERAL (
                SELECT count(*) FILTER (WHERE state IN ('pending', 'sending')) AS waiting,
                    count(*) FILTER (WHERE state = 'dead') AS dead,
                    count(*) FILTER (WHERE state = 'over_quota') AS over_quota,
                    min(created_at) FILTER (WHERE state IN ('pending', 'sending')) AS oldest_at
                FROM deliveries WHERE deliveries.sinkid = filter_sinks.sinkid
                    AND state IN ('pending', 'sending', 'dead', 'over_quota')
            ) AS counted
            WHERE waiting + dead + over_quota > 0 OR failures > 0
            ORDER BY waiting DESC, sinkid
            """
        )
        return cursor.fetchall()


def is_due(connection: Connection, *, seconds: float) -> bool:
    """Whether a message, or one to an owner, has been due for this long, which means that no sender is serving it."""
    row = connection.execute(
        """
        SELECT EXISTS (
            SELECT FROM filter_sinks WHERE due_at <= now() - make_interval(secs => %(seconds)s) AND EXISTS (
                SELECT FROM deliveries WHERE deliveries.sinkid = filter_sinks.sinkid AND state IN ('pending', 'sending')
                    AND created_at <= now() - make_interval(secs => %(seconds)s)
            )
        ) OR EXISTS (
            SELECT FROM owner_messages WHERE state = 'pending' AND due_at <= now() - make_interval(secs => %(seconds)s)
        )
        """,
        {"seconds": seconds},
    ).fetchone()
    return bool(row and row[0])


def refused(
    connection: Connection,
    *,
    state: Refused = "dead",
    owner: str | None = None,
    sinkid: int | None = None,
    numbers: Sequence[int] | None = None,
    limit: int = 100,
) -> list[dict[str, Any]]:
    """Dead letters, or messages over a quota, the newest first; of an owner, of a sink, or with these numbers."""
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(
            "SELECT deliveryid, deliveries.sinkid, deliveries.filterid, owner, kind, target, trigger, night, attempts,"
            " deliveries.failure, deliveries.finished_at FROM deliveries JOIN filter_sinks USING (sinkid)"
            " WHERE state = %(state)s AND (%(owner)s::text IS NULL OR owner = %(owner)s)"
            " AND (%(sinkid)s::bigint IS NULL OR deliveries.sinkid = %(sinkid)s)"
            " AND (%(numbers)s::bigint[] IS NULL OR deliveryid = ANY(%(numbers)s))"
            " ORDER BY deliveryid DESC LIMIT %(limit)s",
            {
                "state": state,
                "owner": owner,
                "sinkid": sinkid,
                "limit": limit,
                "numbers": None if numbers is None else list(numbers),
            },
        )
        return cursor.fetchall()


def retry(
    connection: Connection,
    *,
    numbers: Sequence[int] | None = None,
    sinkid: int | None = None,
    state: Refused = "dead",
    dismiss: bool = False,
) -> int:
    """Send dead letters again, or messages over a quota; or dismiss them.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it.
    numbers : sequence of int, optional
        Numbers of messages.
    sinkid : int, optional
        All messages of a sink. Without `numbers` and `sinkid`: all messages.
    state : str
        State of the messages: `dead` or `over_quota`.
    dismiss : bool
        Whether they are dismissed instead.

    Returns
    -------
    int
        Number of messages. Those whose content was pruned, and those of removed sinks, are left out; they can only be
        dismissed.
    """
    with connection.transaction():
        found = connection.execute(
            "UPDATE deliveries SET state = CASE WHEN %(dismiss)s THEN 'dismissed' ELSE 'pending' END,"
            # Its age counts from now.
            " attempts = CASE WHEN %(dismiss)s THEN attempts ELSE 0 END, finished_at = now()"
            " WHERE state = %(state)s AND (%(numbers)s::bigint[] IS NULL OR deliveryid = ANY(%(numbers)s))"
            " AND (%(sinkid)s::bigint IS NULL OR sinkid = %(sinkid)s) AND (%(dismiss)s OR (record <> ''"
            " AND EXISTS (SELECT FROM filter_sinks WHERE filter_sinks.sinkid = deliveries.sinkid"
            " AND removed_at IS NULL)))"
            " RETURNING sinkid, night",
            {
                "dismiss": dismiss,
                "state": state,
                "numbers": None if numbers is None else list(numbers),
                "sinkid": sinkid,
            },
        ).fetchall()
        if not dismiss and state == "over_quota":
            # Those that are over the quota again are counted again.
            connection.execute(
                "UPDATE delivery_usage AS known SET over_quota = greatest(known.over_quota - sent.number, 0) FROM ("
                "SELECT sinkid, night, count(*) AS number FROM unnest(%s::bigint[], %s::date[]) AS sent (sinkid, night)"
                " GROUP BY sinkid, night) AS sent WHERE known.sinkid = sent.sinkid AND known.night = sent.night",
                ([one for one, _ in found], [night for _, night in found]),
            )
        if not dismiss:
            connection.execute(
                "UPDATE filter_sinks SET due_at = least(due_at, now()) WHERE sinkid = ANY(%s) AND schedule = 'now'",
                (sorted({one for one, _ in found}),),
            )
    return len(found)


def shown(connection: Connection, deliveryid: int) -> dict[str, Any] | None:
    """Everything about a message, with its sink; None if there is no such message."""
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(
            "SELECT deliveryid, identity, deliveries.filterid, version, trigger, diaobjectid, diasourceid, night,"
            " ingestid, record, late, deliveries.created_at, state, attempts, sent_at, finished_at,"
            " deliveries.failure, receipt, bytes, sinkid, owner, name, kind, target, format, schedule"
            " FROM deliveries JOIN filter_sinks USING (sinkid) WHERE deliveryid = %s",
            (deliveryid,),
        )
        return cursor.fetchone()
