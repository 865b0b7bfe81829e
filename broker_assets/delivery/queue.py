"""The sender's view of the outbox: messages that are due, being sent, or settled; each change is one statement.

A message is `pending`, and `sending` from before it leaves until its receipt is stored, so that it is known what a
sender that died may have sent. One sender serves a sink at a time, with an advisory lock of its session.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg
from psycopg.rows import class_row

from broker_assets.delivery.messages import Message
from broker_assets.delivery.sinks import Sink, next_due

Connection = psycopg.Connection[Any]

_LOCK: Final = "hashtextextended(concat_ws('/', 'broker_assets sink', current_schema(), sinkid), 0)"
_SINK: Final = (
    "sinkid, filterid, owner, name, kind, target, format, schedule, public, active, messages_per_night,"
    " bytes_per_night, created_at, removed_at, due_at, failures, failure, position"
)
_MESSAGE: Final = (
    "deliveryid, identity, sinkid, filterid, version, trigger, diaobjectid, diasourceid, night, record, late,"
    " created_at, attempts"
)
_WAITING: Final = (
    "FROM deliveries WHERE deliveries.sinkid = filter_sinks.sinkid AND deliveries.state IN ('pending', 'sending')"
)
_OLDEST: Final = f"(SELECT deliveries.created_at {_WAITING} ORDER BY deliveryid LIMIT 1)"
_DUE: Final = f"removed_at IS NULL AND due_at <= now() AND EXISTS (SELECT {_WAITING})"


@dataclass(frozen=True)
class Quotas:
    """Most that a sink without quotas of its own receives for a night."""

    messages: int | None = None
    bytes: int | None = None


@dataclass(frozen=True)
class Delivered:
    """A message that was delivered."""

    message: Message
    receipt: Mapping[str, Any]
    size: int
    """Bytes."""


@dataclass
class Outcome:
    """The result for messages of a sink."""

    delivered: list[Delivered] = field(default_factory=list)
    dead: dict[int, str] = field(default_factory=dict)
    """Messages given up, with the reason."""
    again: dict[int, str] = field(default_factory=dict)
    """Messages to be sent again, with the failure."""
    waiting: dict[int, str] = field(default_factory=dict)
    """Messages that were not tried because the sink was unavailable, with the failure."""


def due_sinks(connection: Connection) -> list[Sink]:
    """Sinks with messages that may be sent now, those that have waited longest first."""
    with connection.cursor(row_factory=class_row(Sink)) as cursor:
        cursor.execute(f"SELECT {_SINK} FROM filter_sinks WHERE {_DUE} ORDER BY due_at, sinkid")  # noqa: S608
        return cursor.fetchall()


def put_off_digests(connection: Connection, digest_hour: int) -> None:
    """Put off digests that were due when nothing waited: what has come in since then belongs to the next one.

    Without this, the first match after an empty hour or day would be sent at once.

    Parameters
    ----------
    connection : psycopg.Connection
        To write with.
    digest_hour : int
        Hour of the day, UTC, at which daily digests are sent.
    """
    rows = connection.execute(
        f"SELECT sinkid, schedule, due_at, {_OLDEST} FROM filter_sinks"  # noqa: S608
        # A digest that failed is due again after a pause, not at the hour of digests.
        f" WHERE schedule <> 'now' AND failures = 0 AND {_DUE} AND {_OLDEST} > due_at"
    ).fetchall()
    for sinkid, schedule, due_at, oldest in rows:
        connection.execute(
            "UPDATE filter_sinks SET due_at = %s WHERE sinkid = %s AND due_at = %s AND failures = 0",
            (next_due(schedule, oldest, digest_hour), sinkid, due_at),
        )


def lock(connection: Connection, sinks: Sequence[int]) -> set[int]:
    """Lock sinks for this session; return those that no other session holds."""
    rows = connection.execute(
        f"SELECT sinkid FROM (SELECT unnest(%s::bigint[]) AS sinkid) AS wanted WHERE pg_try_advisory_lock({_LOCK})",  # noqa: S608
        (list(sinks),),
    ).fetchall()
    return {sinkid for (sinkid,) in rows}


def unlock(connection: Connection, sinks: Sequence[int]) -> None:
    """Unlock sinks of this session."""
    connection.execute(
        f"SELECT pg_advisory_unlock({_LOCK}) FROM (SELECT unnest(%s::bigint[]) AS sinkid) AS wanted",  # noqa: S608
        (list(sinks),),
    )


def begun(connection: Connection, sinks: Sequence[int]) -> dict[int, tuple[list[Message], float]]:
    """Messages that a sender began to send without storing the result, by sink, and the seconds since then."""
    with connection.cursor(row_factory=class_row(Message)) as cursor:
        cursor.execute(
            f"SELECT {_MESSAGE} FROM deliveries WHERE sinkid = ANY(%s) AND state = 'sending' ORDER BY deliveryid",  # noqa: S608
            (list(sinks),),
        )
        found: dict[int, list[Message]] = {}
        for message in cursor.fetchall():
            found.setdefault(message.sinkid, []).append(message)
    ages = connection.execute(
        "SELECT sinkid, extract(epoch FROM clock_timestamp() - max(sent_at))::float8 FROM deliveries"
        " WHERE sinkid = ANY(%s) AND state = 'sending' GROUP BY sinkid",
        (list(found),),
    ).fetchall()
    return {sinkid: (found[sinkid], age) for sinkid, age in ages}


def claim(connection: Connection, sinks: Sequence[Sink], quotas: Quotas, limits: Mapping[int, int]) -> list[Message]:
    """Begin to send the next messages of sinks that this session has locked.

    Messages that exceed a quota are marked as such and left out; if the quota of a night is used up, all that wait for
    this night are, so that they do not block those of other nights.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it.
    sinks : sequence of Sink
        Locked, without messages that were begun before.
    quotas : Quotas
        Quotas for sinks without their own.
    limits : mapping
        Most messages to take, by sink.

    Returns
    -------
    list of Message
        In the order of the outbox.
    """
    if not sinks:
        return []
    by_number = {sink.sinkid: sink for sink in sinks}
    with connection.transaction():
        with connection.cursor(row_factory=class_row(Message)) as cursor:
            cursor.execute(
                f"SELECT next.* FROM unnest(%s::bigint[], %s::bigint[]) AS wanted (sink, count)"  # noqa: S608
                f" CROSS JOIN LATERAL (SELECT {_MESSAGE} FROM deliveries WHERE sinkid = sink AND state = 'pending'"
                " ORDER BY deliveryid LIMIT count FOR UPDATE) AS next ORDER BY deliveryid",
                (list(by_number), [limits[sinkid] for sinkid in by_number]),
            )
            messages = cursor.fetchall()
        nights = {(message.sinkid, message.night) for message in messages}
        used = {
            (sinkid, night): [sent, size]
            for sinkid, night, sent, size in connection.execute(
                "SELECT sinkid, night, messages, bytes FROM delivery_usage"
                " JOIN unnest(%s::bigint[], %s::date[]) AS wanted (sinkid, night) USING (sinkid, night)",
                ([sinkid for sinkid, _ in nights], [night for _, night in nights]),
            )
        }
        full = set()
        for sinkid, night in nights:
            sink, (sent, size) = by_number[sinkid], used.get((sinkid, night), (0, 0))
            if _reached(sent, sink.messages_per_night, quotas.messages) or _reached(
                size, sink.bytes_per_night, quotas.bytes
            ):
                full.add((sinkid, night))
        taken, over = [], []
        for message in messages:
            if (message.sinkid, message.night) in full:
                continue
            usage = used.setdefault((message.sinkid, message.night), [0, 0])
            sink = by_number[message.sinkid]
            if _reached(usage[0], sink.messages_per_night, quotas.messages) or _reached(
                usage[1], sink.bytes_per_night, quotas.bytes
            ):
                over.append(message)
            else:
                usage[0] += 1
                usage[1] += len(message.record)  # until its size is known
                taken.append(message)
        connection.execute(
            "UPDATE deliveries SET state = 'sending', attempts = attempts + 1, sent_at = clock_timestamp()"
            " WHERE deliveryid = ANY(%s)",
            ([message.deliveryid for message in taken],),
        )
        if over or full:
            left = connection.execute(
                "UPDATE deliveries SET state = 'over_quota', finished_at = now(), failure = 'the quota of the night is"
                " used up' FROM (SELECT unnest(%s::bigint[]) AS number UNION SELECT deliveryid FROM deliveries"
                " JOIN unnest(%s::bigint[], %s::date[]) AS full_night (sinkid, night) USING (sinkid, night)"
                " WHERE state = 'pending') AS beyond WHERE deliveryid = beyond.number RETURNING sinkid, night",
                (
                    [message.deliveryid for message in over],
                    [sinkid for sinkid, _ in full],
                    [night for _, night in full],
                ),
            ).fetchall()
            if left:
                _use(connection, [(sinkid, night, 0, 0, 1) for sinkid, night in left])
    return taken


def is_waiting(connection: Connection, sinkid: int) -> bool:
    """Whether messages for a sink have not been claimed."""
    row = connection.execute(
        "SELECT EXISTS (SELECT FROM deliveries WHERE sinkid = %s AND state = 'pending')", (sinkid,)
    ).fetchone()
    return bool(row and row[0])


def settle(connection: Connection, outcome: Outcome, *, give_up_hours: float = 1e6) -> list[int]:
    """Store the results of messages; return the numbers of those given up because they waited too long.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it.
    outcome : Outcome
        The results.
    give_up_hours : float
        Age at which messages that wait for an unavailable sink are given up.
    """
    with connection.transaction():
        done = outcome.delivered
        if done:
            connection.execute(
                "UPDATE deliveries SET state = 'delivered', finished_at = clock_timestamp(), failure = NULL,"
                " receipt = said.receipt::jsonb, bytes = said.size"
                " FROM unnest(%s::bigint[], %s::text[], %s::bigint[]) AS said (number, receipt, size)"
                " WHERE deliveryid = said.number",
                (
                    [one.message.deliveryid for one in done],
                    [json.dumps(dict(one.receipt)) for one in done],
                    [one.size for one in done],
                ),
            )
            _use(connection, [(one.message.sinkid, one.message.night, 1, one.size, 0) for one in done])
        # Those whose sink was removed meanwhile are dismissed, and stay so.
        _mark(connection, outcome.dead, "state = 'dead', finished_at = clock_timestamp(), failure = said.failure")
        _mark(connection, outcome.again, "state = 'pending', failure = said.failure")
        # Not an attempt: it says nothing about the message.
        _mark(connection, outcome.waiting, "state = 'pending', failure = said.failure, attempts = attempts - 1")
        given_up = connection.execute(
            "UPDATE deliveries SET state = 'dead', finished_at = clock_timestamp(),"
            " failure = concat('given up: the sink was out of reach for too long; ', failure)"
            " WHERE deliveryid = ANY(%s) AND state = 'pending'"
            " AND coalesce(finished_at, created_at) < now() - make_interval(secs => %s * 3600) RETURNING deliveryid",
            (list(outcome.waiting), give_up_hours),
        ).fetchall()
    return [deliveryid for (deliveryid,) in given_up]


def works(connection: Connection, sinks: Mapping[int, datetime.datetime | None]) -> None:
    """Note that sinks accepted messages; the times are when they are due again."""
    connection.execute(
        "UPDATE filter_sinks SET failures = 0, failure = NULL, due_at = coalesce(said.due, filter_sinks.due_at)"
        " FROM unnest(%s::bigint[], %s::timestamptz[]) AS said (number, due) WHERE sinkid = said.number"
        " AND (failures > 0 OR failure IS NOT NULL OR said.due IS NOT NULL)",
        (list(sinks), list(sinks.values())),
    )


def moved(connection: Connection, positions: Mapping[int, int]) -> None:
    """Note the offset from which a topic may contain messages of a dead sender."""
    connection.execute(
        "UPDATE filter_sinks SET position = said.position FROM unnest(%s::bigint[], %s::bigint[])"
        " AS said (number, position) WHERE sinkid = said.number",
        (list(positions), list(positions.values())),
    )


def postpone(connection: Connection, sinkid: int, reason: str, seconds: float) -> None:
    """Note that a sink failed, and leave it alone for some seconds."""
    connection.execute(
        "UPDATE filter_sinks SET failures = failures + 1, failure = %s,"
        " due_at = clock_timestamp() + make_interval(secs => %s) WHERE sinkid = %s",
        (reason[:2000], seconds, sinkid),
    )


def wait(connection: Connection, sinkid: int, seconds: float) -> None:
    """Leave a sink alone for some seconds, without a failure."""
    connection.execute(
        "UPDATE filter_sinks SET due_at = clock_timestamp() + make_interval(secs => %s) WHERE sinkid = %s",
        (seconds, sinkid),
    )


def _mark(connection: Connection, failures: Mapping[int, str], assignments: str) -> None:
    if failures:
        connection.execute(
            f"UPDATE deliveries SET {assignments} FROM unnest(%s::bigint[], %s::text[]) AS said (number, failure)"  # noqa: S608
            " WHERE deliveryid = said.number AND state = 'sending'",
            (list(failures), [reason[:2000] for reason in failures.values()]),
        )


def _use(connection: Connection, used: Sequence[tuple[int, datetime.date, int, int, int]]) -> None:
    sinks, nights, messages, sizes, over = zip(*used, strict=True)
    connection.execute(
        "INSERT INTO delivery_usage AS known (sinkid, night, messages, bytes, over_quota)"
        " SELECT sinkid, night, sum(messages), sum(bytes), sum(over_quota)"
        " FROM unnest(%s::bigint[], %s::date[], %s::bigint[], %s::bigint[], %s::bigint[])"
        " AS used (sinkid, night, messages, bytes, over_quota) GROUP BY sinkid, night ORDER BY sinkid, night"
        " ON CONFLICT (sinkid, night) DO UPDATE SET messages = known.messages + excluded.messages,"
        " bytes = known.bytes + excluded.bytes, over_quota = known.over_quota + excluded.over_quota",
        (list(sinks), list(nights), list(messages), list(sizes), list(over)),
    )


def _reached(used: int, quota: int | None, default: int | None) -> bool:
    limit = quota if quota is not None else default
    return limit is not None and used >= limit
