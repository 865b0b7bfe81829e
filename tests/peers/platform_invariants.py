"""What must always hold for a platform: the ledger balances, nothing is lost or duplicated, alerts come once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from confluent_kafka import Consumer, TopicPartition
from delivery_peers import header

from broker_assets.accounting import balance
from broker_assets.database.engine import connect

LISTED = 5
"""Examples of a violation that are shown."""
HEADING = re.compile(r"^\*\*(.+?)\*\*", re.MULTILINE)


def ledger(url: str, *, whole: bool = True, first: int = 0) -> list[str]:
    """The ledger balances; `whole`: also with rows and archive, else only the batches from `first` on."""
    with connect(url, application="broker-assets soak", connect_timeout=10) as connection:
        found = balance.batches(connection, first=first) + balance.offsets(connection)
        if whole:
            # All in one snapshot, since batches are committed in the meantime.
            for look in (balance.stored_rows, balance.archived_packets, balance.archive_positions):
                found += look(connection)
    return [f"ledger: {item.subject}: {item.detail}: {item.found}, expected {item.expected}" for item in found]


def received(url: str, stream: str, offsets: Mapping[int, int]) -> list[str]:
    """Every message of the topic is in the ledger, once."""
    with connect(url) as connection:
        rows = connection.execute(
            'SELECT "partition", next_offset FROM stream_offset WHERE topic = %s', (stream,)
        ).fetchall()
        total, gaps = connection.execute(
            "SELECT coalesce(sum(received), 0), (SELECT count(*) FROM stream_gap WHERE topic = %(stream)s)"
            " FROM ingest_batch WHERE kind = 'stream' AND topic = %(stream)s",
            {"stream": stream},
        ).fetchone() or (0, 0)
    known: dict[int, int] = dict(rows)  # type: ignore[arg-type]
    found = [
        f"stream: partition {number} is read up to {known.get(number, 0)} of {end}"
        for number, end in sorted(offsets.items())
        if known.get(number, 0) != end and end
    ]
    # Idempotent producers leave no holes; transactions would.
    if total != sum(offsets.values()):
        found.append(f"stream: {total} messages in the ledger, {sum(offsets.values())} in the topic")
    if gaps:
        found.append(f"stream: {gaps} gaps")
    return found


def rows(url: str, sent: Path, count: int, stream: str) -> list[str]:
    """Every alert that was sent is a row or in quarantine, and no row is there twice.

    Parameters
    ----------
    url : str
        SQLAlchemy URL of the database.
    sent : Path
        Pairs of diaObjectId and diaSourceId, as the player recorded them.
    count : int
        How many of them were confirmed.
    stream : str
        Name of the stream.
    """
    pairs = np.fromfile(sent, "<u8").reshape(-1, 2)[:count].astype(np.int64)
    with connect(url) as connection:
        connection.execute("CREATE TEMPORARY TABLE sent (diaobjectid bigint, diasourceid bigint) ON COMMIT DROP")
        with connection.cursor().copy("COPY sent FROM STDIN") as copy:
            for pair in pairs.tolist():
                copy.write_row(pair)
        connection.execute("ANALYZE sent")
        ((lost,),) = connection.execute(
            "SELECT count(*) FROM sent WHERE NOT EXISTS (SELECT FROM diasources WHERE"
            " diasources.diasourceid = sent.diasourceid AND archivefileid IS NOT NULL)"
        ).fetchall()
        ((held,),) = connection.execute(
            "SELECT count(*) FROM quarantine WHERE topic = %s AND resolved_at IS NULL",
            (stream,),
        ).fetchall()
        ((doubled,),) = connection.execute(
            "SELECT count(*) FROM (SELECT FROM diasources WHERE archivefileid IS NOT NULL"
            " GROUP BY diasourceid HAVING count(*) > 1) AS twice"
        ).fetchall()
        ((duplicates,),) = connection.execute(
            "SELECT coalesce(sum(duplicate), 0) FROM ingest_batch WHERE kind = 'stream' AND topic = %s", (stream,)
        ).fetchall()
    found = []
    if lost != held:
        found.append(f"rows: {lost} of {count} alerts are not stored, {held} are in quarantine")
    if doubled:
        found.append(f"rows: {doubled} sources are stored twice")
    if duplicates:
        found.append(f"rows: {duplicates} messages were taken for duplicates; each was sent once")
    return found


def archive_files(url: str, archive: Path, pruned: frozenset[str] = frozenset()) -> list[str]:
    """No archive file that the ledger does not know, none missing but those that were pruned."""
    with connect(url) as connection:
        known = {str(name) for (name,) in connection.execute("SELECT url FROM archive_file").fetchall()}
    # The canary has a ledger of its own.
    there = {
        path.as_uri()
        for path in archive.rglob("*.avro")
        if path.is_file() and not path.name.startswith(".") and "canary" not in path.relative_to(archive).parts
    }
    found = [f"archive: {name} is not in the ledger" for name in sorted(there - known)[:LISTED]]
    return found + [f"archive: {name} is missing" for name in sorted(known - there - pruned)[:LISTED]]


def deliveries(url: str, servers: str, client: Mapping[str, Any] | None = None) -> list[str]:
    """Topics of filters have every delivered message once, and nothing else."""
    with connect(url) as connection:
        sinks = connection.execute("SELECT sinkid, target FROM filter_sinks WHERE kind = 'kafka'").fetchall()
        found = []
        ((doubled,),) = connection.execute(
            "SELECT count(*) FROM (SELECT FROM deliveries GROUP BY sinkid, trigger, filterid HAVING count(*) > 1) AS t"
        ).fetchall()
        if doubled:
            found.append(f"deliveries: {doubled} messages were queued twice")
        for sinkid, topic in sinks:
            rows = connection.execute(
                "SELECT trigger, state, identity FROM deliveries WHERE sinkid = %s ORDER BY deliveryid", (sinkid,)
            ).fetchall()
            wanted = Counter(trigger for trigger, state, _ in rows if state == "delivered")
            open_ = sum(state in ("pending", "sending") for _, state, _ in rows)
            sent = Counter(header(one, "trigger") for one in _messages(servers, topic, client or {}))
            if open_:
                found.append(f"deliveries: {open_} messages of {topic} wait")
            if sent != wanted:
                more, fewer = sent - wanted, wanted - sent
                found.append(
                    f"deliveries: {topic} lacks {sum(fewer.values())} and has {sum(more.values())} too many:"
                    f" {list((more + fewer).items())[:LISTED]}"
                )
    return found


def _messages(servers: str, topic: str, client: Mapping[str, Any]) -> Iterable[Any]:
    consumer = Consumer(
        {**client, "bootstrap.servers": servers, "group.id": "soak", "enable.auto.commit": False, "log_level": 0}
    )
    try:
        for number in consumer.list_topics(topic, timeout=20).topics[topic].partitions:
            _, end = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=20)
            consumer.assign([TopicPartition(topic, number, 0)])
            position = 0
            while position < end:
                one = consumer.poll(20.0)
                if one is None or one.error() is not None:
                    break
                position = int(one.offset() or 0) + 1
                yield one
    finally:
        consumer.close()


def repeated_alerts(messages: Sequence[str]) -> dict[str, int]:
    """Causes that operators were sent again without an end between, and how often.

    Parameters
    ----------
    messages : sequence of str
        Bodies as the destination received them, in their order.

    Examples
    --------
    >>> repeated_alerts(["**error: a**", "**resolved: a**", "**error: a** (seen twice)", "**error: a**"])
    {'a': 1}
    """
    open_: set[str] = set()
    again: Counter[str] = Counter()
    for message in messages:
        for part in message.split("\n\n---\n\n"):
            heading = HEADING.match(part)
            if heading is None:
                continue
            kind, _, subject = heading[1].partition(": ")
            if kind == "resolved":
                open_.discard(subject)
            elif (kind, subject) in {("error", subject), ("warning", subject)}:
                if subject in open_:
                    again[subject] += 1
                open_.add(subject)
    return dict(again)


def quarantine_reasons(url: str) -> dict[str, int]:
    """Why messages are in quarantine, and how many."""
    with connect(url) as connection:
        found = connection.execute(
            "SELECT left(reason, 120), count(*)::int FROM quarantine WHERE resolved_at IS NULL GROUP BY 1"
        ).fetchall()
    return dict(found)  # type: ignore[arg-type]


UNREACHABLE = (ConnectionError, psycopg.Error)
"""Errors of a check while the database is unavailable: the check is repeated later."""
