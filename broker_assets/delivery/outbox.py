"""The outbox: queues messages for matches in the transaction of their batch, and prunes old messages.

A message is identified by filter, trigger and sink, for ever: whatever queues a match again (reprocessing, a retry, the
same alert in another batch) finds that its identity exists and adds nothing. Identities are in a table of their own,
which is kept when messages are pruned. `sender` sends the messages.
"""

from __future__ import annotations

from typing import Any, Final

import psycopg
import pyarrow as pa

Connection = psycopg.Connection[Any]

LATE_DAYS: Final = 14
"""A retry of an alert older than this sends nothing."""

MATCHES: Final = pa.schema(
    [
        ("filterid", pa.int64()),
        ("version", pa.int32()),
        ("trigger", pa.string()),
        ("diaobjectid", pa.int64()),
        ("diasourceid", pa.int64()),
        ("night", pa.date32()),
        ("row", pa.string()),
    ]
)
"""Columns of matches, see `put`."""

_PUT = """
WITH matched AS (
    SELECT * FROM unnest(
        %(filterid)s::bigint[], %(version)s::integer[], %(trigger)s::text[], %(diaobjectid)s::bigint[],
        %(diasourceid)s::bigint[], %(night)s::date[], %(row)s::text[]
    ) WITH ORDINALITY AS m (filterid, version, trigger, diaobjectid, diasourceid, night, record, place)
), wanted AS (
    SELECT DISTINCT ON (identity)
        md5(concat_ws('/', filterid, sinkid, trigger)) AS identity, sinkid, matched.*
    FROM matched JOIN filter_sinks USING (filterid)
    WHERE active AND removed_at IS NULL AND (NOT %(late)s OR night >= current_date - %(late_days)s)
    ORDER BY identity, place
), new AS (
    -- In the order of the identities: two batches with the same matches must not wait for one another.
    INSERT INTO delivery_identities (identity) SELECT identity FROM wanted ORDER BY identity
    ON CONFLICT DO NOTHING RETURNING identity
)
INSERT INTO deliveries (
    identity, sinkid, filterid, version, trigger, diaobjectid, diasourceid, night, ingestid, record, late
)
SELECT identity, sinkid, filterid, version, trigger, diaobjectid, diasourceid, night, %(ingestid)s, record, %(late)s
FROM wanted JOIN new USING (identity)
ORDER BY place, sinkid
"""


def put(
    connection: Connection, matches: pa.Table, ingestid: int, *, late: bool = False, late_days: int = LATE_DAYS
) -> int:
    """Queue a message for each match and each active sink of its filter, in the caller's transaction.

    Parameters
    ----------
    connection : psycopg.Connection
        The transaction of the batch.
    matches : pyarrow.Table
        Columns of `MATCHES`: `trigger` is `alert/<diaObjectId>/<diaSourceId>` or `annotation/<annotationId>`;
        `diasourceid` is null for annotations; `row` is a JSON object of the selected columns in the user's order. The
        messages of a sink are sent in the order of the rows. Of several rows of a filter with the same trigger the
        first is sent.
    ingestid : int
        The batch.
    late : bool
        Whether these alerts are from a retry and may be old; their messages are marked as late.
    late_days : int
        If late, alerts of nights more than this many days ago are not sent.

    Returns
    -------
    int
        Messages queued, without those that had been queued before.
    """
    if not matches.num_rows:
        return 0
    values = {name: matches[name].to_pylist() for name in MATCHES.names}
    return connection.execute(_PUT, {**values, "ingestid": ingestid, "late": late, "late_days": late_days}).rowcount


def prune(connection: Connection, *, content_days: int, days: int) -> dict[str, int]:
    """Empty messages above some age, and remove older ones; their identities are kept.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it.
    content_days, days : int
        Days after which a settled message loses its content, and after which it is removed.

    Returns
    -------
    dict
        `emptied`, `removed`: number of messages.
    """
    with connection.transaction():
        settled = "state NOT IN ('pending', 'sending') AND finished_at < now() - make_interval(days => %s)"
        removed = connection.execute(f"DELETE FROM deliveries WHERE {settled}", (days,)).rowcount  # noqa: S608
        emptied = connection.execute(
            f"UPDATE deliveries SET record = '' WHERE {settled} AND record <> ''",  # noqa: S608
            (content_days,),
        ).rowcount
    return {"emptied": emptied, "removed": removed}
